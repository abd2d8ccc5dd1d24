package rules

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ping sends an ICMP echo request and waits for the reply.
func (p place) ping(to string) error {
	p.t.Helper()
	var conn net.PacketConn
	inside(p.t, p.namespace, func() (err error) {
		conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	defer conn.Close()
	request := []byte{icmpEchoRequest, 0, 0, 0, 0x12, 0x34, 0, 1}
	request[2], request[3] = checksum(request)
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	reply := make([]byte, 100)
	for {
		n, from, err := conn.ReadFrom(reply)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return unix.ETIMEDOUT
		}
		if err != nil {
			return err
		}
		if n == len(request) && reply[0] == icmpEchoReply && from.String() == to && reply[4] == 0x12 && reply[5] == 0x34 {
			return nil
		}
	}
}

// checksum is that of RFC 1071.
func checksum(b []byte) (byte, byte) {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = ^(sum>>16 + sum&0xffff)
	return byte(sum >> 8), byte(sum)
}
