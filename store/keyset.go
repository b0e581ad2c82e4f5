package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// A keyset lists its keys in the order in which they were added. To replace the
// key: AddKey, and start every server with that; PromoteKey, and start every server
// with that; seal everything anew; RetireKeys, and start every server with that.
// Were a key primary at once, servers that do not have it yet could not open what
// others store.

// Why a keyset is not changed.
var (
	ErrKeyWaits    = errors.New("the key that was added last is not primary yet")
	ErrNoKeyWaits  = errors.New("the key that was added last is primary already")
	ErrNoKeyset    = errors.New("it holds no secret key as 'quorate keygen' makes it")
	ErrNoKeyIsLeft = errors.New("the keyset holds its primary key alone")
)

// GenerateKeyset returns a new keyset for NewSealer, with one key.
func GenerateKeyset() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate keyset: %w", err)
	}
	return writeKeyset(handle)
}

// AddKey adds a key that opens only, and returns its ID. ErrKeyWaits if there is
// one already.
func AddKey(text []byte) (changed []byte, added uint32, err error) {
	changed, err = changeKeyset(text, func(ring *keyset.Manager, keys keyIDs) error {
		if keys.last() != keys.primary {
			return ErrKeyWaits
		}
		added, err = ring.Add(aead.AES256GCMKeyTemplate())
		return err
	})
	return changed, added, err
}

// PromoteKey makes the key that was added last the primary one, and returns its ID.
// ErrNoKeyWaits if it is.
func PromoteKey(text []byte) (changed []byte, primary uint32, err error) {
	changed, err = changeKeyset(text, func(ring *keyset.Manager, keys keyIDs) error {
		if primary = keys.last(); primary == keys.primary {
			return ErrNoKeyWaits
		}
		return ring.SetPrimary(primary)
	})
	return changed, primary, err
}

// RetireKeys drops every key but the primary one, and returns their IDs.
// ErrKeyWaits if one of them was to become primary, ErrNoKeyIsLeft if there is none.
func RetireKeys(text []byte) (changed []byte, retired []uint32, err error) {
	changed, err = changeKeyset(text, func(ring *keyset.Manager, keys keyIDs) error {
		switch {
		case len(keys.all) == 1:
			return ErrNoKeyIsLeft
		case keys.last() != keys.primary:
			return ErrKeyWaits
		}
		retired = keys.all[:len(keys.all)-1]
		for _, id := range retired {
			if err := ring.Delete(id); err != nil {
				return err
			}
		}
		return nil
	})
	return changed, retired, err
}

// SecretKey is what can be told of a key of a keyset.
type SecretKey struct {
	ID      uint32
	Primary bool // it seals; the others only open
}

// ListKeys lists the keys of a keyset in the order in which they were added.
func ListKeys(text []byte) ([]SecretKey, error) {
	s, err := NewSealer(text)
	if err != nil {
		return nil, err
	}
	return s.Keys(), nil
}

// keyIDs are the keys of a keyset, in the order in which they were added.
type keyIDs struct {
	all     []uint32
	primary uint32
}

func (k keyIDs) last() uint32 { return k.all[len(k.all)-1] }

// changeKeyset returns a keyset that a Sealer can be made of, or an error.
func changeKeyset(text []byte, change func(*keyset.Manager, keyIDs) error) ([]byte, error) {
	if _, err := NewSealer(text); err != nil {
		return nil, err
	}
	handle, err := readKeyset(text)
	if err != nil {
		return nil, err
	}
	info := handle.KeysetInfo()
	keys := keyIDs{primary: info.GetPrimaryKeyId()}
	for _, k := range info.GetKeyInfo() {
		keys.all = append(keys.all, k.GetKeyId())
	}
	ring := keyset.NewManagerFromHandle(handle)
	if err := change(ring, keys); err != nil {
		return nil, err
	}
	if handle, err = ring.Handle(); err != nil {
		return nil, fmt.Errorf("change keyset: %w", err)
	}
	changed, err := writeKeyset(handle)
	if err != nil {
		return nil, err
	}
	_, err = NewSealer(changed)
	return changed, err
}

func readKeyset(text []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeyset, err)
	}
	return handle, nil
}

func writeKeyset(handle *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("write keyset: %w", err)
	}
	return out.Bytes(), nil
}

// named refuses a keyset whose primary key does not put its name before what it
// seals: nobody could tell what has been sealed with it. GenerateKeyset makes none.
func named(handle *keyset.Handle) error {
	info := handle.KeysetInfo()
	for _, k := range info.GetKeyInfo() {
		if prefix := k.GetOutputPrefixType().String(); k.GetKeyId() == info.GetPrimaryKeyId() && prefix != "TINK" {
			return fmt.Errorf("the primary key %d has the output prefix %s, and must have TINK: make a key with 'quorate keygen'", k.GetKeyId(), prefix)
		}
	}
	return nil
}
