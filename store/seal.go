package store

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Sealer encrypts secrets before they are stored. What is sealed for one path
// opens for no other, so that nobody who can write to storage can put one
// Provider's secret in another's place.
//
// Its keyset may hold several keys: the primary one seals, any of them opens.
//
// To rotate: start every server with a new key added, which is not primary yet;
// then every server with it as primary; drop the old one when every secret has been
// stored again. Were it primary at once, servers that do not have it yet could open
// neither what others store nor the Farm's proof, and could not start again.
type Sealer struct {
	aead    tink.AEAD
	primary []byte // what all that the primary key seals begins with
}

// NewSealer makes a Sealer of a keyset in Tink's JSON form. The keyset is not
// encrypted itself: whoever can read it can read every secret.
func NewSealer(keysetJSON []byte) (*Sealer, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(keysetJSON)))
	if err != nil {
		return nil, fmt.Errorf("read keyset: %w", err)
	}
	a, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	sealed, err := a.Encrypt(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	return &Sealer{a, sealed[:cryptofmt.TinkPrefixSize]}, nil
}

// GenerateKeyset returns a new keyset for NewSealer, with one key.
func GenerateKeyset() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate keyset: %w", err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("write keyset: %w", err)
	}
	return out.Bytes(), nil
}

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

// Open decrypts what was sealed for the same path under a key of the keyset.
func (s *Sealer) Open(sealed []byte, path string) ([]byte, error) {
	plaintext, err := s.aead.Decrypt(sealed, []byte(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: wrong keyset, or not what was sealed there: %w", path, err)
	}
	return plaintext, nil
}
