package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// Base is where the API is.
const Base = "/api/v1"

const (
	sites     = Base + "/sites"
	site      = sites + "/{site}"
	brokers   = site + "/brokers"
	broker    = brokers + "/{broker}"
	providers = site + "/providers"
	provider  = providers + "/{provider}"
)

// handler answers a request, or returns why it cannot; then it has written nothing.
type handler func(w http.ResponseWriter, r *http.Request) error

// Route is one operation of the API.
type Route struct {
	Method string
	Path   string
	Query  []string // the parameters it takes; any other is refused

	do   handler
	long bool // it bounds its own time
}

// Routes lists all routes, what is mounted beside them aside.
func (a *API) Routes() []Route {
	page := []string{"limit", "continue"}
	dry := []string{"dryRun"}
	loss := []string{"dryRun", "acceptHighAvailabilityLoss"}
	return []Route{
		{Method: "GET", Path: "/healthz", do: a.healthz},
		{Method: "GET", Path: "/readyz", do: a.readyz},
		{Method: "GET", Path: "/problems", do: a.listProblems},
		{Method: "GET", Path: "/problems/{code}", do: a.getProblem},

		{Method: "GET", Path: Base + "/farm", do: a.getFarm},
		{Method: "GET", Path: Base + "/provider-types", do: a.listProviderTypes},

		{Method: "GET", Path: sites, Query: page, do: a.listSites},
		{Method: "POST", Path: sites, Query: dry, do: a.createSite},
		{Method: "GET", Path: site, do: a.getSite},
		{Method: "PUT", Path: site, Query: dry, do: a.putSite},
		{Method: "PATCH", Path: site, Query: dry, do: a.patchSite},
		{Method: "DELETE", Path: site, Query: dry, do: a.deleteSite},
		{Method: "POST", Path: site + "/simulate", do: a.simulate},
		{Method: "GET", Path: site + "/events", Query: []string{"since", "limit", "continue"}, do: a.listEvents},
		{Method: "GET", Path: site + "/watch", do: a.watch, long: true},
		{Method: "GET", Path: site + "/hosts", Query: []string{"provider", "available", "limit", "continue"}, do: a.listHosts},

		{Method: "GET", Path: brokers, Query: page, do: a.listBrokers},
		{Method: "POST", Path: brokers, Query: dry, do: a.createBroker},
		{Method: "GET", Path: broker, do: a.getBroker},
		{Method: "PUT", Path: broker, Query: loss, do: a.putBroker},
		{Method: "PATCH", Path: broker, Query: loss, do: a.patchBroker},
		{Method: "DELETE", Path: broker, Query: loss, do: a.deleteBroker},
		{Method: "POST", Path: broker + "/drain", Query: dry, do: a.drain},
		{Method: "POST", Path: broker + "/undrain", Query: dry, do: a.undrain},
		{Method: "POST", Path: broker + "/move-up", Query: dry, do: a.moveUp},
		{Method: "POST", Path: broker + "/move-down", Query: dry, do: a.moveDown},
		{Method: "GET", Path: broker + "/stoppable", do: a.stoppable},

		{Method: "GET", Path: providers, Query: page, do: a.listProviders},
		{Method: "POST", Path: providers, Query: dry, do: a.createProvider},
		{Method: "GET", Path: provider, do: a.getProvider},
		{Method: "PUT", Path: provider, Query: dry, do: a.putProvider},
		{Method: "PATCH", Path: provider, Query: dry, do: a.patchProvider},
		{Method: "DELETE", Path: provider, Query: dry, do: a.deleteProvider},
		{Method: "POST", Path: provider + "/move", Query: dry, do: a.moveProvider},
		{Method: "POST", Path: provider + "/unpin", Query: dry, do: a.unpinProvider},
		{Method: "POST", Path: provider + "/test", do: a.testProvider, long: true},
		{Method: "GET", Path: provider + "/hosts", Query: []string{"available", "limit", "continue"}, do: a.listProviderHosts},
		{Method: "GET", Path: provider + "/hosts/{host}", do: a.getHost},
	}
}

func (a *API) newRouter() http.Handler {
	r := chi.NewRouter()
	r.Use(a.identify, secure, a.observe, a.recover, a.authenticate, middleware.GetHead)
	for _, rt := range a.Routes() {
		r.Method(rt.Method, rt.Path, a.serve(rt))
	}
	var rest http.Handler
	for _, b := range a.beside {
		if b.Pattern == "/" {
			rest = b.Handler
			r.Method(http.MethodGet, "/", rest)
			continue
		}
		r.Method(http.MethodGet, b.Pattern, b.Handler)
		if folder, all := strings.CutSuffix(b.Pattern, "/*"); all {
			r.Method(http.MethodGet, folder, b.Handler) // it knows how to redirect
		}
	}
	notFound := func(w http.ResponseWriter, req *http.Request) {
		ours := req.URL.Path == "/api" || strings.HasPrefix(req.URL.Path, "/api/")
		if rest != nil && !ours && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
			rest.ServeHTTP(w, req)
			return
		}
		a.fail(w, req, problem("not-found", "There is nothing at %s. The OpenAPI document at /openapi.json lists what there is.", req.URL.Path))
	}
	r.NotFound(notFound)
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		allow := allowed(r, req)
		if len(allow) == 0 { // a method that nobody knows, at a path that is nowhere
			notFound(w, req)
			return
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		a.fail(w, req, problem("method-not-allowed", "%s is not possible here; %s is.", req.Method, strings.Join(allow, ", ")))
	})
	return r
}

// allowed lists the methods that the request's path has.
func allowed(r chi.Router, req *http.Request) []string {
	path := req.URL.RawPath
	if path == "" {
		path = req.URL.Path
	}
	var methods []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if r.Match(chi.NewRouteContext(), m, path) || m == "HEAD" && slices.Contains(methods, "GET") {
			methods = append(methods, m)
		}
	}
	return methods
}

// serve takes a request in and runs its route's handler.
func (a *API) serve(rt Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := checkQuery(r, rt.Query)
		if err == nil {
			err = a.takeBody(w, r)
		}
		if err == nil {
			err = a.timed(rt, w, r)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	}
}

// timed runs a route's handler within the time of a request, unless it bounds
// its own.
func (a *API) timed(rt Route, w http.ResponseWriter, r *http.Request) error {
	if rt.long {
		return rt.do(w, r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.RequestTimeout)
	defer cancel()
	return rt.do(w, r.WithContext(ctx))
}
