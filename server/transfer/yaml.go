package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	// What sigs.k8s.io/yaml reads with; it hides what is asked for here: where a
	// document ends, the order of its keys, and what a key was before it became text.
	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"sigs.k8s.io/yaml"
)

// mapping is an object of YAML, whose keys need not be texts.
type mapping = map[any]any

// read decodes the text, which is one document of YAML and no more, and returns
// it as YAML has it too.
func (d *Document) read(text []byte) (mapping, error) {
	if err := yaml.UnmarshalStrict(text, d); err != nil {
		return nil, fmt.Errorf("the document cannot be read: %w", err)
	}
	var raw mapping
	parts := goyaml.NewDecoder(bytes.NewReader(text)) //nolint:staticcheck // the module it would have us use is not required here
	if err := parts.Decode(&raw); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the document cannot be read: %w", err)
	}
	var more any
	if err := parts.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("the document has several parts, divided by a line ---: import them one by one, each from a file of its own")
	}
	return raw, nil
}

// endsComplete reports whether the last key is complete. One that is elsewhere
// says nothing of what came after it.
func endsComplete(text []byte) bool {
	var ordered goyaml.MapSlice                                                   //nolint:staticcheck // as above
	if err := goyaml.Unmarshal(text, &ordered); err != nil || len(ordered) == 0 { //nolint:staticcheck // as above
		return false
	}
	last := ordered[len(ordered)-1]
	return last.Key == "complete" && last.Value == true
}
