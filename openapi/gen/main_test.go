package main

import (
	"io"
	"testing"
)

func TestTheDocumentIsCurrent(t *testing.T) {
	if err := run(t.Context(), []string{"-check"}, io.Discard); err != nil {
		t.Error(err)
	}
}
