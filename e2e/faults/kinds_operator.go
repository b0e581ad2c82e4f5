package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

const providersPath = "/api/v1/sites/" + site + "/providers/"

// drawMove moves all Providers at once, so that other faults meet handovers.
func drawMove(l *lab, r *rand.Rand) fault {
	h, at := l.oneHost(r), l.apis[r.IntN(len(l.apis))]
	return fault{what: "to " + h.id, hit: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		for _, id := range l.providers {
			_, _ = at.do(ctx, http.MethodPost, providersPath+id+"/move", "", map[string]string{"broker": h.id}) // it may be refused
		}
		return nil
	}}
}

func drawDrain(l *lab, r *rand.Rand) fault {
	h, at := l.oneHost(r), l.apis[r.IntN(len(l.apis))]
	path := "/api/v1/sites/" + site + "/brokers/" + h.id
	return fault{what: h.id, hold: cutTime(r),
		hit: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			_, _ = at.do(ctx, http.MethodPost, path+"/drain", "", nil)
			return nil
		},
		heal: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return insist(ctx, l.apis, http.MethodPost, path+"/undrain", nil)
		},
	}
}
