package rules

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A class is all services, or all ports, with the same number of backends. Its
// chain takes the next turn, counted up in that chain: every backend gets exactly
// its share, whatever their number.
//
// Services that share a counter could get in step: two that are asked by turns,
// with two backends each, would use one each. So a class has several chains. Who
// has one alone is derived from its key, and so is the same after a restart; the
// others draw lots. Chains are few, since what the kernel checks in a transaction
// grows with them.
type class struct {
	what  what
	n     int // backends
	place int // of the counter, or one of these:
}

// places is how many counters a class has at most.
const places = 251

const (
	single = places     // one backend: no turns
	random = places + 1 // lots are drawn
)

// what has backends.
type what uint32

const (
	service what = iota
	publication
)

// chain is the name of the class's chain.
func (c class) chain() string {
	name := fmt.Sprintf("service-%d", c.n)
	if c.what == publication {
		name = fmt.Sprintf("port-%d", c.n)
	}
	switch c.place {
	case single:
		return name
	case random:
		return name + "-random"
	}
	return fmt.Sprintf("%s-%d", name, c.place)
}

// id is the class as the data of an element.
func (c class) id() string {
	return string(native(uint32(c.what)<<31 | uint32(c.n)<<8 | uint32(c.place)))
}

// parseClass reads what id writes.
func parseClass(id string) class {
	n := binary.NativeEndian.Uint32([]byte(id))
	return class{what: what(n >> 31), n: int(n << 1 >> 9), place: int(n & 0xff)}
}

// rules are those of the class's chain. Another chain, that stays, looks the backend
// up: for a new rule that looks into a map, the kernel walks through all of
// it.
func (c class) rules() []rule {
	turn := set32(r0, native(0))
	switch c.place {
	case single:
	case random:
		turn = rule{&expr.Numgen{Register: r0, Modulus: uint32(c.n), Type: unix.NFT_NG_RANDOM}}
	default:
		turn = rule{&expr.Numgen{Register: r0, Modulus: uint32(c.n), Type: unix.NFT_NG_INCREMENTAL}}
	}
	return []rule{do(turn, note(), goTo([]string{service: "backend", publication: "port_backend"}[c.what]))}
}

// classes say which class each service, or each port, is in: the first of those
// that have the same place has the counter.
type classes struct {
	what what
	at   map[class][]string // keys by class, in order
}

func newClasses(what what) *classes {
	return &classes{what: what, at: make(map[class][]string)}
}

// home is the class whose counter a key would have, if it were alone.
func (c *classes) home(key string, n int) class {
	if n <= 1 {
		return class{c.what, n, single}
	}
	hash := fnv.New32a()
	hash.Write([]byte(key))
	return class{c.what, n, int(hash.Sum32() % places)}
}

// of returns the class of a key that was added.
func (c *classes) of(key string, n int) class {
	home := c.home(key, n)
	if home.place != single && c.at[home][0] != key {
		home.place = random
	}
	return home
}

func (c *classes) add(key string, n int) {
	home := c.home(key, n)
	if home.place == single {
		return
	}
	i, found := slices.BinarySearch(c.at[home], key)
	if !found {
		c.at[home] = slices.Insert(c.at[home], i, key)
	}
}

func (c *classes) remove(key string, n int) {
	home := c.home(key, n)
	if i, found := slices.BinarySearch(c.at[home], key); found {
		c.at[home] = slices.Delete(c.at[home], i, i+1)
	}
	if len(c.at[home]) == 0 {
		delete(c.at, home)
	}
}

// mates returns the keys that have the same place as one would have.
func (c *classes) mates(key string, n int) []string { return c.at[c.home(key, n)] }
