package remotepc

import (
	"time"

	"github.com/quorate/quorate/provider"
)

// options are a Target's options, as schema describes them.
type options struct {
	Machines []entry `json:"machines"`
	Interval string  `json:"interval"`
	Timeout  string  `json:"timeout"`
}

// pool is what to check, and how.
type pool struct {
	machines          []machine
	interval, timeout time.Duration
}

func poolOf(t provider.Target) (pool, provider.Faults) {
	var faults provider.Faults
	if t.Address != "" {
		faults.Add("/address", "must be left out: a PC pool has no address of its own, each of its machines has one")
	}
	if t.Username != "" {
		faults.Add("/credentials/username", "must be left out: nobody logs in to a PC pool")
	}
	if t.Secret != "" {
		faults.Add("/credentials/password", "must be left out: nobody logs in to a PC pool")
	}
	o := options{Interval: "5s", Timeout: "2s"}
	if wrong := provider.DecodeOptions(t.Options, &o); len(wrong) > 0 {
		return pool{}, faults.And(wrong)
	}
	p := pool{
		interval: between(&faults, "interval", o.Interval, 100*time.Millisecond, time.Hour),
		timeout:  between(&faults, "timeout", o.Timeout, 100*time.Millisecond, time.Minute),
		machines: machinesOf(&faults, o.Machines),
	}
	return p, faults
}

func between(faults *provider.Faults, option, s string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		faults.Add("/options/"+option, "must be a duration such as 5s, and not less than %s or more than %s", least, most)
	}
	return d
}
