// Package transfer carries a Farm's configuration out into a document that
// people can read, compare and keep, and back in.
//
// Both ways go through the REST API, in this process: a document says of each
// Site, broker and Provider what the API says of it, less what the server sets,
// and an import is a series of requests. So a field, a default, a validation or
// a rule is what it is in the API, and nothing here knows of it.
//
// Whatever reads, reads from one View that stands still; whatever changes is
// rehearsed on it first, see rehearsal.
package transfer

import (
	"net/http"

	"github.com/quorate/quorate/store"
)

// Farm is the Farm whose configuration is transferred.
type Farm struct {
	Store store.Store
	API   func(store.Store) (http.Handler, error) // the REST API over a store

	// Work is what it costs to try a passphrase, as a power of two; 0: what the
	// tool age asks for, about a second.
	Work int
}
