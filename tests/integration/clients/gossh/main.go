// An SSH client on golang.org/x/crypto/ssh: does one task through the server it is given, says what went wrong.
// usage: gossh TASK ADDRESS USER KEY HOSTKEY [ARGUMENT]
package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

func main() {
	tasks := map[string]func(*ssh.Client, string) error{
		"commands": commands, "terminal": terminal, "local": local, "remote": remote,
		"keepalive": keepalive,
	}
	client, err := connect(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	if err == nil {
		defer client.Close()
		err = tasks[os.Args[1]](client, strings.Join(os.Args[6:], " "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect(address, user, keyFile, hostKeyFile string) (*ssh.Client, error) {
	pem, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(hostKeyFile)
	if err != nil {
		return nil, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(hostKey), HostKeyAlgorithms: []string{hostKey.Type()},
	})
}

// Twenty at once, each with its own input, output and exit status.
func commands(client *ssh.Client, _ string) error {
	failures := make(chan error, 20)
	for n := 0; n < 20; n++ {
		go func(n int) { failures <- command(client, n) }(n)
	}
	for n := 0; n < 20; n++ {
		if err := <-failures; err != nil {
			return err
		}
	}
	return nil
}

func command(client *ssh.Client, number int) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	input := make([]byte, 300000)
	rand.Read(input)
	var output, complaint bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(input), &output, &complaint
	if err := session.Setenv("TEST_NUMBER", fmt.Sprint(number)); err != nil {
		return err
	}
	err = session.Run("cat; echo number-$TEST_NUMBER >&2; exit $TEST_NUMBER")
	status := 0
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitStatus()
	} else if err != nil {
		return err
	}
	// A login shell's own files may have said something before.
	complained := strings.HasSuffix(complaint.String(), fmt.Sprintf("number-%d\n", number))
	if status != number || !bytes.Equal(output.Bytes(), input) || !complained {
		return fmt.Errorf("command %d: status %d, %d bytes, %q", number, status, output.Len(), complaint.String())
	}
	return nil
}

func terminal(client *ssh.Client, _ string) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.RequestPty("xterm", 40, 100, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		return err
	}
	input, _ := session.StdinPipe()
	var output bytes.Buffer
	session.Stdout = &output
	if err := session.Shell(); err != nil {
		return err
	}
	fmt.Fprintln(input, "stty size")
	if err := session.WindowChange(50, 120); err != nil {
		return err
	}
	fmt.Fprintln(input, "stty size; exit 0")
	if err := session.Wait(); err != nil {
		return err
	}
	if !strings.Contains(output.String(), "50 120") {
		return fmt.Errorf("the terminal's size has not changed: %q", output.String())
	}
	return nil
}

// Sends a megabyte and the end of it, and wants it back.
func echoed(connection net.Conn) error {
	defer connection.Close()
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	go func() {
		connection.Write(sent)
		connection.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(connection)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, sent) {
		return fmt.Errorf("%d bytes came back of %d", len(got), len(sent))
	}
	return nil
}

// Ten connections at once to an echo server behind the target.
func local(client *ssh.Client, address string) error {
	failures := make(chan error, 10)
	for n := 0; n < 10; n++ {
		go func() {
			connection, err := client.Dial("tcp", address)
			if err == nil {
				err = echoed(chanConn{connection})
			}
			failures <- err
		}()
	}
	for n := 0; n < 10; n++ {
		if err := <-failures; err != nil {
			return err
		}
	}
	return nil
}

// What Dial gives hides the half-close of the channel in it.
type chanConn struct{ net.Conn }

func (c chanConn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// A listener on the target, which chooses its port; what connects there is echoed here.
func remote(client *ssh.Client, _ string) error {
	listener, err := client.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(connection, connection)
				connection.Close()
			}()
		}
	}()
	for n := 0; n < 3; n++ {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		if err := echoed(connection); err != nil {
			return err
		}
	}
	if err := listener.Close(); err != nil {
		return err
	}
	running.Wait()
	if connection, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		connection.Close()
		return errors.New("the target still listens")
	}
	return nil
}

// Global requests want an answer, each its own.
func keepalive(client *ssh.Client, _ string) error {
	for n := 0; n < 100; n++ {
		if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return err
		}
	}
	return command(client, 3)
}
