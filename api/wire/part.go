package wire

import (
	"fmt"
	"slices"
)

const (
	// MaxPart is the largest Down.Part, in bytes. A node on a slow line hears one well
	// within the node timeout.
	MaxPart = 256 << 10
	// MaxState is the largest encoded NetworkState, in bytes: some 250,000 services.
	MaxState = 128 << 20
	// fewEntries is how large a NetworkState may be to go as it is: a few hundred bytes
	// an entry.
	fewEntries = 500
)

// Split cuts a message whose NetworkState is large: a message with the Welcome if
// there is one, which comes first in any session, messages with a Part, and one with
// the rest.
func (d Down) Split() ([]Down, error) {
	if d.Network.entries() <= fewEntries {
		return []Down{d}, nil
	}
	encoded, err := Marshal(d.Network)
	if err != nil {
		return nil, fmt.Errorf("encode the state of the networks: %w", err)
	}
	if len(encoded) > MaxState {
		return nil, fmt.Errorf("send the state of the networks: %d bytes are more than %d", len(encoded), MaxState)
	}
	var messages []Down
	if d.Welcome != nil {
		messages = append(messages, Down{Welcome: d.Welcome})
	}
	for part := range slices.Chunk(encoded, MaxPart) {
		messages = append(messages, Down{Part: part})
		d.Parts++
	}
	d.Welcome, d.Network = nil, nil
	return append(messages, d), nil
}

// entries counts what is in the tables' changes.
func (s *NetworkState) entries() int {
	if s == nil {
		return 0
	}
	return s.Networks.entries() + s.Peers.entries() + s.Blocks.entries() + s.Services.entries() + s.Backends.entries()
}

func (c Changes[T]) entries() int { return len(c.Set) + len(c.Gone) }

// Parts gathers what Split cut. The zero Parts has none; they are one connection's.
type Parts struct {
	encoded []byte
	count   int
}

// Join takes a message: a part, which is kept, or one that is whole once its parts
// are put together, and only then to be acted on. After an error the connection is
// of no use.
func (p *Parts) Join(d *Down) (whole bool, err error) {
	if len(d.Part) > 0 {
		if len(p.encoded)+len(d.Part) > MaxState {
			return false, fmt.Errorf("receive the state of the networks: it is larger than %d bytes", MaxState)
		}
		p.encoded, p.count = append(p.encoded, d.Part...), p.count+1
		return false, nil
	}
	if d.Full && d.Parts == 0 {
		*p = Parts{} // complete without them: they are out of date
	}
	if d.Parts != p.count {
		return false, fmt.Errorf("receive the state of the networks: %d parts of %d", p.count, d.Parts)
	}
	if p.count == 0 {
		return true, nil
	}
	d.Network, d.Parts = &NetworkState{}, 0
	if err := strict.Unmarshal(p.encoded, d.Network); err != nil {
		return false, fmt.Errorf("decode the state of the networks: %w", err)
	}
	*p = Parts{}
	return true, nil
}
