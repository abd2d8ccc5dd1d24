package scheduler

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"

	"github.com/orc-project/orc/api"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// taskID derives a task's ID from what is decided and the view it is decided on:
// the same plan twice names the same tasks, so that applying it twice is a
// conflict and not a second container.
func taskID(service, node string, slot, revision, iteration int, view int64) string {
	var buffer [256]byte
	input := append(buffer[:0], service...)
	input = append(input, 0)
	input = append(input, node...)
	input = append(input, 0)
	for _, number := range [...]int64{int64(slot), int64(revision), int64(iteration), view} {
		input = binary.BigEndian.AppendUint64(input, uint64(number))
	}
	sum := sha256.Sum256(input)
	var text [28]byte
	idEncoding.Encode(text[:26], sum[:16])
	return string(text[:api.IDLength])
}
