package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/orc-project/orc/api"
)

// pingPause is how long an answer is waited for before the question is sent again.
const pingPause = 300 * time.Millisecond

// ping asks an address on the overlay for an echo of a packet of size bytes, IP and
// ICMP headers included.
func (f *Fabric) ping(ctx context.Context, address netip.Addr, size int) error {
	conn, err := f.links.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer conn.Close()
	const headers = ipv4.HeaderLen + 8
	body := make([]byte, max(0, size-headers))
	token := api.NewID()
	copy(body, token)
	message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(token[0])<<8 | int(token[1]), Data: body}}
	packet, err := message.Marshal(nil)
	if err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for ctx.Err() == nil {
		if _, err := conn.WriteTo(packet, &net.IPAddr{IP: address.AsSlice()}); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(pingPause)); err != nil {
			return err
		}
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				break // too late, or not for us
			}
			if from.String() != address.String() {
				continue
			}
			answer, err := icmp.ParseMessage(1, buffer[:n])
			if err != nil || answer.Type != ipv4.ICMPTypeEchoReply {
				continue
			}
			if echo, ok := answer.Body.(*icmp.Echo); ok && len(echo.Data) == len(body) && string(echo.Data[:min(len(token), len(body))]) == token[:min(len(token), len(body))] {
				return nil
			}
		}
	}
	return errors.New("no answer")
}
