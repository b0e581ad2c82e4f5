package containers

import (
	"io"
	"strings"
	"testing"

	moby "github.com/moby/moby/client"
)

func TestTheImageIsSmallAndRunsAsNobody(t *testing.T) {
	b := open(t)
	image, err := b.docker.ImageInspect(b.ctx, "quorate/quorate:e2e")
	b.must(err)
	if mb := float64(image.Size) / 1e6; mb >= 80 {
		t.Errorf("the image has %.1f MB", mb)
	}
	labels := image.Config.Labels
	for _, name := range []string{"title", "description", "source", "version", "revision", "licenses"} {
		if labels["org.opencontainers.image."+name] == "" {
			t.Errorf("label %s is missing", name)
		}
	}
	if image.Config.User != "65532:65532" || image.Config.Healthcheck == nil {
		t.Errorf("user %q, health check %v", image.Config.User, image.Config.Healthcheck)
	}
	info, err := b.docker.ContainerInspect(b.ctx, b.id("cb-1"), moby.ContainerInspectOptions{})
	b.must(err)
	if h := info.Container.HostConfig; !h.ReadonlyRootfs || h.Memory == 0 || len(h.CapDrop) == 0 {
		t.Errorf("read-only %v, memory %d, capabilities dropped %v", h.ReadonlyRootfs, h.Memory, h.CapDrop)
	}
	if user := info.Container.Config.User; user != "65532:65532" {
		t.Errorf("cb-1 runs as %q", user)
	}
	container, err := b.stack.ServiceContainer(b.ctx, "cb-1")
	b.must(err)
	code, out, err := container.Exec(b.ctx, []string{"quorate", "version"})
	b.must(err)
	said, err := io.ReadAll(out)
	b.must(err)
	if code != 0 || !strings.Contains(string(said), "quorate e2e") || strings.Contains(string(said), "unknown") {
		t.Errorf("version: %d, %q", code, said)
	}
}
