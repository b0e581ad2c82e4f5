package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// files that a server may have open at the least: one for each connection of a
// client, a Provider, an etcd member, and each PC of a pool that is being probed.
const openFiles = 4096

func (v *visit) local(ctx context.Context) []Finding {
	return []Finding{v.port(ctx), judgeLimit(fileLimit())}
}

func judgeLimit(limit uint64, known bool) Finding {
	const what = "open files"
	switch {
	case !known:
		return Finding{}
	case limit < openFiles:
		return warned(what, fmt.Sprintf("%d may be open at once, where this runs.", limit),
			fmt.Sprintf("Raise it to %d or more, for the server too: LimitNOFILE= in its unit, or ulimit -n.", openFiles))
	}
	return fine(what, fmt.Sprintf("%d may be open at once, where this runs.", limit))
}

// port says whether the server could listen, or does already.
func (v *visit) port(ctx context.Context) Finding {
	what := "listen " + v.Listen
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", v.Listen)
	switch {
	case err == nil:
		_ = ln.Close()
		return fine(what, "It is free.")
	case errors.Is(err, syscall.EADDRINUSE):
		return judgeTaken(what, v.LocalURL(), v.whoAnswers(ctx))
	case errors.Is(err, syscall.EACCES):
		return failed(what, "This user may not listen there.", "Choose a port above 1023, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE.")
	}
	return failed(what, "It cannot be listened on: "+sentence(err), "Mend --listen: it must be an address of this machine.")
}

func (v *visit) whoAnswers(ctx context.Context) bool {
	r, err := fetch(ctx, v.LocalURL()+"/healthz")
	return err == nil && r.says("status", "ok")
}

func judgeTaken(what, url string, ours bool) Finding {
	if ours {
		return fine(what, "A Quorate server answers at "+url+" already.")
	}
	return failed(what, "Another program listens there.", "Find it with ss -ltnp, or choose another --listen.")
}
