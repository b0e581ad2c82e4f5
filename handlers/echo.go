package handlers

import (
	"reflect"
	"regexp"
	"strings"
)

// maxEcho is how many bytes of what a client has sent an answer or the log
// repeats at once.
const maxEcho = 200

// shortened is text, or its beginning if it is long.
func shortened(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return strings.ToValidUTF8(text[:maxEcho], "") + "…"
}

// shortenedAll shortens what is text among the values of a sentence, whatever
// its type.
func shortenedAll(values []any) []any {
	short := make([]any, len(values))
	for i, v := range values {
		short[i] = v
		if text := reflect.ValueOf(v); text.IsValid() && text.Kind() == reflect.String && text.Len() > maxEcho {
			short[i] = shortened(text.String())
		}
	}
	return short
}

// tokens are what may be an API token of a Farm, put where it does not belong.
var tokens = regexp.MustCompile(`qr_[A-Za-z0-9_-]+`)

// loggable is a client's text as the log may show it.
func loggable(text string) string {
	return shortened(tokens.ReplaceAllString(text, "qr_…"))
}
