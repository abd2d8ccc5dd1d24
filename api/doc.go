// Package api holds orc's nouns: plain structs with JSON tags, their defaults
// and their validation. They are what users write, what the database keeps and
// what managers and agents tell each other.
//
// It never does I/O, never reads a clock and imports no other room of orc. Pure
// functions on the nouns (Defaults, Validate, Equal) live beside the noun.
package api
