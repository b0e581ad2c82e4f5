package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Problem is the answer to a request that was not carried out (RFC 9457).
type Problem struct {
	Type     string  `json:"type" example:"/problems/not-found"`            // where the code is explained
	Title    string  `json:"title" example:"There is no such thing"`        // the same for every problem of this code
	Status   int     `json:"status" example:"404"`                          // of the answer
	Detail   string  `json:"detail" example:"The Site has no broker cb-9."` // what is wrong and what to do
	Instance string  `json:"instance" example:"/api/v1/sites/hq/brokers/cb-9"`
	Code     string  `json:"code" example:"not-found"` // stable: for programs
	Errors   []Fault `json:"errors,omitempty"`         // what is wrong with which field
	// Effects is what would have happened, if a rule refused it.
	Effects []string `json:"effects,omitempty"`
	// Revision is the current one, if If-Match was stale.
	Revision  farm.Revision `json:"revision,omitempty" swaggertype:"integer" format:"int64"`
	RequestID string        `json:"requestId" example:"5f2c9a1e7d3b4860"`
} //@name Problem

// Fault is what is wrong with one field.
type Fault struct {
	Pointer string `json:"pointer" example:"/failback/holdDown"` // JSON pointer into the request's body
	Detail  string `json:"detail" example:"must be at most 24h"`
} //@name Fault

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// ProblemKind explains a problem's code.
type ProblemKind struct {
	Code        string `json:"code" example:"stale"`
	Title       string `json:"title" example:"The resource has changed"`
	Status      int    `json:"status" example:"412"`
	Description string `json:"description"`
} //@name ProblemKind

// kinds lists every problem there is.
var kinds = []ProblemKind{
	{"malformed", "The request cannot be understood", 400, "The body is not the JSON that is expected, or a header or query parameter is not well formed. Correct the request; repeating it does not help."},
	{"unauthorized", "A valid token is required", 401, "Send `Authorization: Bearer <token>` with a token of this Farm."},
	{"forbidden", "The token does not allow this", 403, "Use a token that has the right to do this."},
	{"not-found", "There is no such thing", 404, "Check the path and the names in it."},
	{"method-not-allowed", "The method is not possible here", 405, "The Allow header lists the methods that are."},
	{"request-timeout", "The body did not come in time", 408, "The request's body was sent too slowly. Send it again, all at once."},
	{"already-exists", "The name is taken", 409, "Choose another id, or change the existing resource by PUT or PATCH."},
	{"secret-key-required", "This server lacks the secret key for it", 409, "The server has no secret key, so that it can store no password, or not the one that a stored password was sealed with. Start it with the --secret-key-file that the Farm's other servers have, ask one of those, or send the password again."},
	{"conflict", "Something changed at the same time", 409, "Read again, then repeat the request."},
	{string(farm.CodeThreeActiveBrokersRequired), "Three active brokers are required", 409, "A Provider may be Automatic only while at least three active brokers are online, enabled and on a seat."},
	{string(farm.CodeNoBrokerAvailable), "No broker is available", 409, "A new Provider needs an available active broker, or a Preferred Connection Broker named in the request."},
	{string(farm.CodeWouldTurnOffHighAvailability), "High availability would turn off", 409, "The change would leave the Site with fewer than three seats. Add an active broker first, or accept it with acceptHighAvailabilityLoss=true."},
	{string(farm.CodeBrokerOnline), "The broker is online", 409, "Stop its server first."},
	{string(farm.CodeBrokerInUse), "The broker is in use", 409, "Providers name it; choose another broker for them first."},
	{string(farm.CodeBrokerNotAvailable), "The broker is not available", 409, "Choose an active broker that is online and not draining."},
	{string(farm.CodeSiteNotEmpty), "The Site is not empty", 409, "Delete what is in it first."},
	{string(farm.CodeTooManyBrokers), "The Site has too many brokers", 409, "Delete brokers that are no longer used, or make another Site."},
	{string(farm.CodeProviderNotMovable), "The Provider cannot be moved now", 409, "The Provider is disabled, or the Site has no majority of brokers: nobody may own a Provider then. Change that first."},
	{"revision-gone", "That revision is no longer kept", 410, "The list has become too old to continue. Start again from its first page."},
	{"stale", "The resource has changed", 412, "If-Match names another revision than the current one. Read again, decide again, repeat the request with the new ETag."},
	{"too-large", "The request is too large", 413, "A request body may have 1 MiB."},
	{"unsupported-media-type", "The body's media type is not supported", 415, "Send application/json; for PATCH, application/merge-patch+json is also possible."},
	{"invalid", "Fields are not valid", 422, "`errors` names each field and what is wrong with it."},
	{string(farm.CodeUnknownBroker), "The Site has no such broker", 422, "Name a broker of the Site, or create it first."},
	{"precondition-required", "If-Match is required", 428, "PUT replaces the whole resource, so it must say which revision it replaces: send the ETag of a GET as If-Match."},
	{"too-many-requests", "Too many requests", 429, "Wait for the time in Retry-After, then repeat the request."},
	{"internal", "The server failed", 500, "The server's log has the cause under the requestId."},
	{"unavailable", "Storage does not answer", 503, "etcd did not answer within the request's time. The request may or may not have been carried out: wait for the time in Retry-After, then read before you repeat it."},
	{"storage-full", "Storage is full", 503, "etcd has reached its quota and accepts no writes: compact and defragment it, or raise the quota, and clear its alarm."},
	{"unreadable", "What is stored cannot be read", 503, "A value in the Farm's storage is damaged, or was written by another program, and the request would replace it or rests on it. `quorate doctor` names it and says how to mend it."},
	{"newer-format", "This server cannot read what is stored", 503, "A newer version of Quorate has written to the Farm's storage, or the record of its format is damaged. This server ends; ask another one. Run the version that the Farm's newest servers run; `quorate doctor` tells more."},
	{"other-farm", "Storage does not hold this Farm any more", 503, "etcd has lost its data, or another etcd is in its place. Bring the Farm's data back; if it is lost for good, restart every server: a new Farm begins then."},
}

func kindOf(code string) ProblemKind {
	i := slices.IndexFunc(kinds, func(k ProblemKind) bool { return k.Code == code })
	if i < 0 {
		return ProblemKind{Code: code, Title: "A rule refused it", Status: http.StatusConflict}
	}
	return kinds[i]
}

// problem returns a problem of a kind; the detail says what to do about it. What
// it repeats of the client's text is shortened.
func problem(code, detail string, args ...any) *Problem {
	k := kindOf(code)
	return &Problem{Type: "/problems/" + k.Code, Title: k.Title, Status: k.Status, Code: k.Code, Detail: fmt.Sprintf(detail, shortenedAll(args)...)}
}

// invalid is the problem of a body with faults; nil if there are none.
func invalid(faults ...Fault) error {
	if len(faults) == 0 {
		return nil
	}
	detail := "Correct the fields listed in errors."
	if len(faults) == 1 {
		detail = faults[0].sentence()
	}
	p := problem("invalid", "")
	p.Detail, p.Errors = detail, faults
	return p
}

func (f Fault) sentence() string {
	if f.Pointer == "" {
		return "The body " + f.Detail + "."
	}
	return f.Pointer + " " + f.Detail + "."
}

// problemOf is the one table that makes problems of errors.
func problemOf(err error) *Problem {
	var (
		p        *Problem
		refused  *farm.Violation
		tooLarge *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
		own := *p
		return &own
	case errors.As(err, &refused):
		p = problem(string(refused.Code), "")
		p.Detail, p.Effects = refused.Detail, refused.Effects
		return p
	case errors.As(err, &tooLarge):
		return problem("too-large", "The body is larger than %d bytes, which is the most a request may have.", tooLarge.Limit)
	case errors.Is(err, store.ErrFull):
		return problem("storage-full", "etcd has no space left and accepts no writes. Compact and defragment it or raise its quota, then repeat the request.")
	case errors.Is(err, store.ErrOtherFarm):
		return problem("other-farm", "The Farm's storage is empty, or it is another Farm's: etcd has lost its data, or another etcd is in its place. Tell an administrator: nothing is done until the data is back, or, if it is lost for good, every server is restarted.")
	case errors.Is(err, store.ErrFormat):
		return problem("newer-format", "What is stored cannot be read by this version of Quorate: a newer one has written it, or it is damaged. This server ends: ask another one, and run the version that the Farm's newest servers run.")
	case errors.Is(err, store.ErrUnreadable):
		return problem("unreadable", "What is stored there cannot be read, and is not replaced. Nothing was changed. Run `quorate doctor`: it names the key and says how to mend it.")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem("unavailable", "Storage did not answer in time. Wait a moment and read the resource before you repeat a write: it may have been carried out.")
	case errors.Is(err, store.ErrGone):
		return problem("revision-gone", "The revision of this list is no longer kept. Start again without continue.")
	case errors.Is(err, store.ErrSecretKey):
		return problem("secret-key-required", "This server has no secret key, so it can store no password: start it with the --secret-key-file that the Farm's other servers have, or ask one of those.")
	case errors.Is(err, store.ErrConflict):
		return problem("conflict", "Something changed at the same time. Read again, then repeat the request.")
	default:
		return problem("internal", "The request could not be carried out. The server's log has the cause under the requestId.")
	}
}

// fail answers with the problem that an error is, and logs an unknown one.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if sent, ok := w.(middleware.WrapResponseWriter); ok && sent.Status() != 0 {
		return // a stream that broke off; its client sees that
	}
	p := problemOf(err)
	p.Instance = shortened(r.URL.EscapedPath())
	p.RequestID = requestID(r.Context())
	if p.Status == http.StatusInternalServerError {
		a.Log.ErrorContext(r.Context(), "request failed", "requestId", p.RequestID, "method", r.Method, "path", loggable(r.URL.Path), "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="quorate"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Patch", mergePatchType)
	case http.StatusPreconditionFailed:
		h.Set("ETag", etag(p.Revision))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// reply answers with a body.
func reply(w http.ResponseWriter, status int, body any) error {
	text, err := encode(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client is gone if this fails
	return nil
}

// ProblemKinds lists problem kinds.
type ProblemKinds struct {
	Items []ProblemKind `json:"items"`
} //@name ProblemKindList

// listProblems answers with every kind of problem.
//
//	@Summary		List the kinds of problem
//	@Description	Every `code` that an error of this API can have, with what to do about it. Needs no token.
//	@ID				listProblems
//	@Tags			Farm
//	@Produce		json
//	@Success		200	{object}	ProblemKinds	"All kinds of problem."
//	@Failure		500	{object}	Problem			"The server failed."
//	@Router			/problems [get]
func (a *API) listProblems(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, ProblemKinds{Items: kinds})
}

// getProblem explains one kind.
//
//	@Summary		Explain a problem
//	@Description	The `type` of a problem document leads here. Needs no token.
//	@ID				getProblem
//	@Tags			Farm
//	@Produce		json
//	@Param			code	path		string		true	"The problem's code."
//	@Success		200		{object}	ProblemKind	"What the problem means."
//	@Router			/problems/{code} [get]
func (a *API) getProblem(w http.ResponseWriter, r *http.Request) error {
	code := chi.URLParam(r, "code")
	i := slices.IndexFunc(kinds, func(k ProblemKind) bool { return k.Code == code })
	if i < 0 {
		return problem("not-found", "There is no problem %q; /problems lists all.", code)
	}
	return reply(w, http.StatusOK, kinds[i])
}
