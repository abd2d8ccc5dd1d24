// Package compose reads Compose files (https://compose-spec.io) into orc's own
// nouns. It reads files and the environment it is given and nothing else: it
// never talks to a manager, and it never drops a key silently. What orc cannot
// honour is an error that names file, line and key.
package compose
