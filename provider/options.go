package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// DecodeOptions reads a Target's options into the struct that into points at.
// Fields that the struct does not have are wrong, and so is anything but one
// object; no options at all leave into as it is. Errors wrap ErrInvalidOptions.
func DecodeOptions(options json.RawMessage, into any) error {
	options = bytes.TrimSpace(options)
	if len(options) == 0 {
		return nil
	}
	if options[0] != '{' {
		return fmt.Errorf("%w: options must be an object", ErrInvalidOptions)
	}
	d := json.NewDecoder(bytes.NewReader(options))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: options: %w", ErrInvalidOptions, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: options must be one object", ErrInvalidOptions)
	}
	return nil
}
