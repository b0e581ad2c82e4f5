//go:build race

package model

// raced: the race detector is on, under which the searches take too long. They
// have nothing that could race.
const raced = true
