package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// ErrPassphrase: the document's secrets are sealed to another passphrase.
var ErrPassphrase = errors.New("the passphrase does not open the document's secrets")

// ErrNoPassphrase: the document holds secrets.
var ErrNoPassphrase = errors.New("the document holds secrets: give the passphrase, or take the secrets out of the document to keep those that are stored")

// seal encrypts secrets, by site/provider, to a passphrase. It is the format of
// the tool age, which opens it too. No two results are the same.
func seal(secrets map[string]string, passphrase string, work int) (string, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return "", fmt.Errorf("seal secrets: %w", err)
	}
	if work != 0 {
		recipient.SetWorkFactor(work)
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return "", fmt.Errorf("seal secrets: %w", err)
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return "", fmt.Errorf("seal secrets: %w", err)
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return "", fmt.Errorf("seal secrets: %w", err)
	}
	return out.String(), nil
}

// open decrypts the document's secrets; none if it holds none.
func (d Document) open(passphrase string) (map[string]string, error) {
	switch {
	case strings.TrimSpace(d.Secrets) == "":
		return nil, nil
	case passphrase == "":
		return nil, ErrNoPassphrase
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(d.Secrets)), identity)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	return secrets, nil
}
