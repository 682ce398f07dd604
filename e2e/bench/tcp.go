package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// connections is opened and closed by the real TCP of both hosts.
var connections = kind{name: "connections a CPU second", unit: "%.1fk/s"}

// throughput is the bits that iperf3 moves through one connection in a second of CPU time of both its ends.
var throughput = kind{name: "bits a CPU second in iperf3", unit: "%.1f Gbit", of: 1e9}

// tcp compares how many connections of TCP can be opened and closed, and what one can carry.
func (b *bench) tcp() error {
	for _, n := range b.sizes {
		x := &plan{rules: rulesOf(n)}
		t := &table{title: fmt.Sprintf("TCP, %s", x)}
		all, err := b.gather(t, x, noRules, conntrackOnly, nftByHand, iptablesNFT, iptablesLegacy, ufw, b.firewalld, b.pfw)
		if err == nil {
			err = b.connect(t, all)
		}
		if err = errors.Join(err, closeAll(all)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) connect(t *table, all []*contender) error {
	_, err := exec.LookPath("iperf3")
	kinds := []kind{connections}
	if err == nil {
		kinds = append(kinds, throughput)
	} else {
		t.note("iperf3: left out, as it is not installed.")
	}
	for _, k := range kinds {
		rounds := b.n
		if k == throughput { // it takes a second each time
			rounds = min(rounds, 3)
		}
		for range rounds {
			for _, c := range all {
				measure := c.connections
				if k == throughput {
					measure = c.iperf
				}
				rate, err := measure(b.time)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", c.name, k.name, err)
				}
				c.rates[k.name] = append(c.rates[k.name], rate)
			}
		}
	}
	head := []string{"of " + all[0].name}
	for _, k := range kinds {
		head = append(head, k.name, "noise")
	}
	t.row(head...)
	for _, c := range all {
		cells := []string{c.name}
		for _, k := range kinds {
			text, noise := c.beside(all[0], k)
			cells = append(cells, text, fmt.Sprintf("±%.0f %%", 100*noise))
		}
		t.row(cells...)
	}
	t.print(b.out)
	return nil
}

// connections opens connections and closes them again, one after another, and returns how many a second of CPU time. Both
// ends are in this thread, so its CPU time is all that they cost.
func (c *contender) connections(limit time.Duration) (rate float64, err error) {
	if err := c.stage.wall.ForgetConnections(); err != nil {
		return 0, err
	}
	to := &unix.SockaddrInet4{Port: servicePort, Addr: wallAddress.As4()}
	var listener int
	err = c.stage.wall.Do(func() error {
		if listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
		if err := unix.Bind(listener, to); err != nil {
			return err
		}
		return unix.Listen(listener, 16)
	})
	if err != nil {
		return 0, fmt.Errorf("listen: %w", err)
	}
	defer unix.Close(listener)
	err = c.stage.far.Do(func() error {
		restore, err := pin(anyCPU)
		if err != nil {
			return err
		}
		defer restore()
		begin, err := threadTime()
		if err != nil {
			return err
		}
		for n := 1; ; n++ {
			if err := connectOnce(listener, to); err != nil {
				return err
			}
			now, err := threadTime()
			if err != nil {
				return err
			}
			if now-begin >= limit {
				rate = float64(n) / (now - begin).Seconds()
				return nil
			}
		}
	})
	return rate, err
}

// connectOnce opens one connection to a listener and resets it, so that nothing of it waits for its end.
func connectOnce(listener int, to unix.Sockaddr) error {
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(client)
	if err := unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Connect(client, to); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	return unix.Close(server)
}

// iperf runs iperf3 for a second; its port is the one that the rules allow.
func (c *contender) iperf(time.Duration) (bitsPerSecond float64, err error) {
	listening := filepath.Join(c.stage.dir, "iperf3.pid") // it is there once the server listens
	server := c.stage.wall.Command("iperf3", "--server", "--one-off", "--port", fmt.Sprint(servicePort), "--pidfile", listening)
	if err := server.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = server.Process.Kill() // it has ended by itself where all is well
		_ = server.Wait()
	}()
	err = await(func() (bool, error) { _, err := os.Stat(listening); return err == nil, nil })
	if err != nil {
		return 0, fmt.Errorf("iperf3: %w", err)
	}
	var answer struct {
		End struct {
			Received struct {
				Bytes float64 `json:"bytes"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	client := c.stage.far.Command("iperf3", "--client", wallAddress.String(), "--port", fmt.Sprint(servicePort), "--time", "1", "--connect-timeout", "5000", "--json")
	out, err := client.Output()
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	if err != nil {
		return 0, fmt.Errorf("iperf3: %w: %.300s", err, out)
	}
	cpu, err := processTime(server.Process.Pid)
	if err != nil {
		return 0, err
	}
	cpu += client.ProcessState.UserTime() + client.ProcessState.SystemTime()
	return 8 * answer.End.Received.Bytes / cpu.Seconds(), os.RemoveAll(listening)
}
