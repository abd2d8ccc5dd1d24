package store

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/orc-project/orc/api"
)

var (
	encoding = must(cbor.EncOptions{Sort: cbor.SortCanonical, Time: cbor.TimeRFC3339Nano}.EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32,
		MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 20,
	}.DecMode())
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // the options above are constants
	}
	return value
}

// Encode returns the form in which implementations keep an object: CBOR
// (RFC 8949) with the field names of its JSON, so that fields may be added.
func Encode(object api.Object) ([]byte, error) {
	value, err := encoding.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", object.Kind(), object.Header().ID, err)
	}
	return value, nil
}

// Decode makes an object of what Encode returned and sets its version.
func Decode(kind api.Kind, version int64, value []byte) (api.Object, error) {
	object := api.NewObject(kind)
	if object == nil {
		return nil, fmt.Errorf("decode: there is no kind %q", kind)
	}
	if err := decoding.Unmarshal(value, object); err != nil {
		return nil, fmt.Errorf("decode %s: %w", kind, err)
	}
	object.Header().Version = version
	return object, nil
}
