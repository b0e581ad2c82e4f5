package broker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
)

// Line is how brokers speak with each other directly, without storage. A server
// has one: it passes what arrives for its broker to Answer, and the broker asks
// others by Ask.
//
// Both sides prove that they are of the Farm: every message is authenticated
// with the key that the answering life has put beside its presence, where only
// who can read the Farm's storage finds it. So it does not matter what the
// transport can be trusted with, and an answer comes from that very life.
type Line struct {
	ask Ask

	mu   sync.Mutex
	life *life // who answers; nil: nobody
	word       // what it has promised, in whichever life
}

// Ask sends a message to the server at an address (the base URL that its broker
// has registered) and returns what it answers.
type Ask func(ctx context.Context, address string, message []byte) ([]byte, error)

// NewLine returns a process's line. Its broker may have promised something in a
// process before this one.
func NewLine(ask Ask) *Line {
	return &Line{ask: ask, word: word{began: time.Now()}}
}

// MaxMessage is how many bytes a message has at most.
const MaxMessage = 4 << 10

// errNobody: the message is for a life that is not here, or is not authentic.
var errNobody = errors.New("no such broker here")

// question asks a life whether it is there.
type question struct {
	Site  farm.SiteID      `json:"site"`
	From  farm.BrokerID    `json:"from"`
	To    farm.BrokerID    `json:"to"`
	Life  farm.Incarnation `json:"life"` // of whom it is for
	Nonce []byte           `json:"nonce"`

	// Without is the verdict, by its epoch, under which the asker owns Providers,
	// without storage: does the asked one promise to leave them to it? 0: that is
	// not asked.
	Without uint64 `json:"without,omitempty"`
}

// answer says that it is.
type answer struct {
	Nonce []byte `json:"nonce"` // the question's

	// Promises: the asked one has no storage either, knows the same verdict, and will
	// decide nothing for farm.PromiseLasts.
	Promises bool `json:"promises,omitempty"`
}

// Answer answers a message that has arrived for this server's broker. The error
// is for whoever sent it.
func (l *Line) Answer(message []byte) ([]byte, error) {
	l.mu.Lock()
	here := l.life
	l.mu.Unlock()
	if here == nil {
		return nil, errNobody
	}
	q, err := open[question](here.contactKey, message)
	if err != nil || q.Site != here.Site || q.To != here.Broker || q.Life != here.me.Incarnation {
		return nil, errNobody
	}
	return seal(here.contactKey, answer{Nonce: q.Nonce, Promises: q.Without != 0 && l.promise(here, q.Without)})
}

func (l *Line) attach(here *life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life = here
}

// ask asks the life that a presence is of. It is in contact if there is no error.
func (c Config) ask(ctx context.Context, other farm.Presence, without uint64) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, farm.ContactTimeout)
	defer cancel()
	q := question{Site: c.Site, From: c.Broker, To: other.Broker, Life: other.Incarnation, Nonce: newKey(), Without: without}
	message, err := seal(other.ContactKey, q)
	if err != nil {
		return a, err
	}
	said, err := c.Line.ask(ctx, other.Address, message)
	if err != nil {
		return a, err
	}
	a, err = open[answer](other.ContactKey, said)
	if err == nil && !hmac.Equal(a.Nonce, q.Nonce) {
		err = errors.New("an answer to another question")
	}
	return a, err
}

// newKey is 32 random bytes.
func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

// seal is the message v: its authenticator (HMAC-SHA256, 32 bytes), then JSON.
// Questions and answers differ in what they are made of, so that none passes for
// the other: an answer is bound to its question by the nonce.
func seal[T any](key []byte, v T) ([]byte, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(authenticate[T](key, content), content...), nil
}

func open[T any](key, message []byte) (T, error) {
	var v T
	if len(key) == 0 || len(message) < sha256.Size || !hmac.Equal(message[:sha256.Size], authenticate[T](key, message[sha256.Size:])) {
		return v, errors.New("a message that is not authentic")
	}
	return v, json.Unmarshal(message[sha256.Size:], &v)
}

func authenticate[T any](key, content []byte) []byte {
	var v T
	kind := "answer"
	if _, asks := any(v).(question); asks {
		kind = "question"
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(kind))
	mac.Write(content)
	return mac.Sum(nil)
}
