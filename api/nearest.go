package api

import (
	"strconv"
	"strings"
	"unicode"
)

// Nearest is the name that was probably meant by what was typed, or "": at most
// two letters off, and less than half of them, the one that begins with it, or that of the service which an app
// calls so. Of several as near it is the first.
func Nearest(typed string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		d := least
		if off := len(typed) - len(name); -least < off && off < least { // it is that far at least
			d = distance(typed, name)
		}
		if len(typed) >= 3 && strings.HasPrefix(name, typed) || typed != "" && strings.HasSuffix(name, "_"+typed) {
			d = min(d, 1)
		}
		if d < least && 2*d <= max(len(typed), len(name)) {
			best, least = name, d
		}
	}
	return best
}

// distance is Levenshtein's: how many letters to insert, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// NoSuch is the error of a name or ID that nothing has: "there is no service clok: did
// you mean clock?". names are those of what there is; hint, if any, is said when none of
// them is near.
func NoSuch(noun, ref string, names []string, hint string) *Error {
	near := Nearest(ref, names)
	switch {
	case near != "":
		hint = ": did you mean " + Quoted(near) + "?"
	case hint != "":
		hint = ": " + hint
	}
	err := NotFoundf("there is no %s %s%s", noun, Quoted(ref), hint)
	err.Near = near
	return err
}

// maxQuoted is how much an error repeats of what somebody typed, in characters.
const maxQuoted = 80

// Brief is a text, or its beginning if it is long.
func Brief(text string) string {
	if runes := []rune(text); len(runes) > maxQuoted {
		return string(runes[:maxQuoted-1]) + "…"
	}
	return text
}

// Quoted is a text as an error shows it: as it stands if it is a word, else in quotes,
// and the beginning if it is long.
func Quoted(text string) string {
	text = Brief(text)
	word := text != "" && strings.ToValidUTF8(text, "") == text
	for _, r := range text {
		word = word && unicode.IsGraphic(r) && !unicode.IsSpace(r)
	}
	if word {
		return text
	}
	return strconv.Quote(text)
}
