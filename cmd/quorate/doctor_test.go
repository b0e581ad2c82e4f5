package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/quorate/quorate/server/doctor"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestDoctorTakesTheSettingsOfServe(t *testing.T) {
	serve, err := say(t, "serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	help, err := say(t, "doctor", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range regexp.MustCompile(`\$QUORATE_\w+`).FindAllString(serve, -1) {
		if !strings.Contains(help, variable) {
			t.Errorf("doctor does not know %s", variable)
		}
	}
}

func TestDoctorFailsIfSomethingDoes(t *testing.T) {
	t.Setenv("QUORATE_LISTEN", "127.0.0.1:0")
	out, err := say(t, "doctor", "--etcd=http://127.0.0.1:1")
	if err == nil || !strings.Contains(out, "fail  etcd") || !strings.Contains(out, "\n      do: ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAQuietDoctorLeavesOutWhatIsOK(t *testing.T) {
	args := []string{"doctor", "--listen=127.0.0.1:0", "--etcd=http://127.0.0.1:1"}
	loud, _ := say(t, args...)
	quiet, err := say(t, append(args, "--quiet")...)
	if err == nil || !strings.Contains(loud, "\nok ") || strings.Contains(quiet, "\nok ") || strings.HasPrefix(quiet, "ok ") ||
		!strings.Contains(quiet, "fail  etcd") || !strings.Contains(quiet, " ok, ") || !strings.Contains(err.Error(), " checks failed") {
		t.Errorf("%v\n%s", err, quiet)
	}
}

func TestDoctorDoesNotFailForWarnings(t *testing.T) {
	t.Setenv("QUORATE_ETCD", etcdtest.Start(t).Endpoints()[0])
	var out bytes.Buffer
	if err := run(t.Context(), []string{"doctor", "--listen=127.0.0.1:0", "--etcd-election=500ms", "--json"}, &out, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	var r doctor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Warnings == 0 || r.Failures > 0 {
		t.Errorf("%v: %s", err, out.String())
	}
}
