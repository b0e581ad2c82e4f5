package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Sealer encrypts secrets before they are stored. What is sealed for one path
// opens for no other, so that nobody who can write to storage can put one
// Provider's secret in another's place.
//
// Its keyset may hold several keys: the primary one seals, any of them opens.
type Sealer struct {
	aead    tink.AEAD
	keys    []SecretKey
	primary []byte // what all that the primary key seals begins with
}

// NewSealer makes a Sealer of a keyset in Tink's JSON form. The keyset is not
// encrypted itself: whoever can read it can read every secret.
func NewSealer(keysetJSON []byte) (*Sealer, error) {
	handle, err := readKeyset(keysetJSON)
	if err != nil {
		return nil, err
	}
	if err := named(handle); err != nil {
		return nil, err
	}
	a, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	sealed, err := a.Encrypt(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	s := &Sealer{aead: a, primary: sealed[:cryptofmt.TinkPrefixSize]}
	info := handle.KeysetInfo()
	for _, k := range info.GetKeyInfo() {
		s.keys = append(s.keys, SecretKey{k.GetKeyId(), k.GetKeyId() == info.GetPrimaryKeyId()})
	}
	return s, nil
}

// Keys lists its keys in the order in which they were added.
func (s *Sealer) Keys() []SecretKey { return slices.Clone(s.keys) }

// Seal encrypts for a path.
func (s *Sealer) Seal(plaintext []byte, path string) ([]byte, error) {
	sealed, err := s.aead.Encrypt(plaintext, []byte(path))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", path, err)
	}
	return sealed, nil
}

// Primary reports whether something was sealed with the primary key, so that
// dropping the others does not close it.
func (s *Sealer) Primary(sealed []byte) bool { return bytes.HasPrefix(sealed, s.primary) }

// PrimaryID is the ID of the primary key.
func (s *Sealer) PrimaryID() uint32 { return binary.BigEndian.Uint32(s.primary[1:]) }

// Open decrypts what was sealed for the same path under a key of the keyset.
func (s *Sealer) Open(sealed []byte, path string) ([]byte, error) {
	plaintext, err := s.aead.Decrypt(sealed, []byte(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: wrong keyset, or not what was sealed there: %w", path, err)
	}
	return plaintext, nil
}
