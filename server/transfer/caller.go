package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/quorate/quorate/store"
)

// object is a JSON object whose members are kept as they came.
type object = map[string]json.RawMessage

// caller sends requests to an API in this process, which hears of nobody else.
type caller struct {
	api   http.Handler
	token string
}

// call returns a caller of the API over a store. Whoever can read the Farm's
// memory has all there is to have; so the API gets to see, beside the Farm's
// tokens, one more that is made up here, never leaves this process and is never
// stored. Its name is what events say of who asked.
func (f Farm) call(st store.Store, name string) (caller, error) {
	token := rand.Text()
	sum := sha256.Sum256([]byte(token))
	api, err := f.API(known{st, store.TokenHash(hex.EncodeToString(sum[:])), store.Token{Name: name}})
	return caller{api, token}, err
}

// known is a store in whose Views one more token is known.
type known struct {
	store.Store
	hash  store.TokenHash
	token store.Token
}

func (k known) Latest() *store.View { return k.with(k.Store.Latest()) }

func (k known) Current(ctx context.Context) (*store.View, error) {
	v, err := k.Store.Current(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it is the store's, seen through
	}
	return k.with(v), nil
}

func (k known) with(v *store.View) *store.View {
	own := *v
	own.Tokens = map[store.TokenHash]store.Token{k.hash: k.token}
	return &own
}

// Refusal is an answer of the API that is not a success.
type Refusal struct {
	Status int
	Code   string
	Detail string
	Errors []struct{ Pointer, Detail string }
}

func (r *Refusal) Error() string {
	var said []string
	if r.Code != "invalid" || len(r.Errors) == 0 { // else it says to look at the errors
		said = append(said, r.Detail)
	}
	for _, e := range r.Errors {
		said = append(said, e.Pointer+" "+e.Detail)
	}
	return strings.Join(said, "\n    ")
}

// do sends one request. revision, if not 0, is the one that must be current.
func (c caller) do(ctx context.Context, method, path string, revision int64, body object) (object, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "/api/v1/"+path, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if revision != 0 {
		r.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(revision)))
	}
	a := &answer{status: http.StatusOK, header: http.Header{}}
	c.api.ServeHTTP(a, r)
	return a.read()
}

// answer takes what a handler writes.
type answer struct {
	bytes.Buffer
	header http.Header
	status int
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) read() (object, error) {
	if a.status/100 != 2 {
		refusal := &Refusal{Status: a.status}
		if err := json.Unmarshal(a.Bytes(), refusal); err != nil {
			refusal.Detail = strings.TrimSpace(a.String())
		}
		return nil, refusal
	}
	if a.Len() == 0 {
		return nil, nil
	}
	var o object
	if err := json.Unmarshal(a.Bytes(), &o); err != nil {
		return nil, fmt.Errorf("the API's answer: %w", err)
	}
	return o, nil
}
