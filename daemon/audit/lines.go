package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine is in bytes; the longest reason, a report on a bad rule file, is far below.
const maxLine = 256 << 10

// forward calls fn with every line that r still has, until fn fails. Lines beyond maxLine are passed over and counted.
func forward(r io.Reader, fn func(line []byte) error) (tooLong int, err error) {
	buf := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := buf.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = buf.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return tooLong, err
		}
		if line = bytes.TrimRight(line, "\n"); long {
			tooLong++
		} else if len(line) > 0 {
			if err := fn(line); err != nil {
				return tooLong, err
			}
		}
		if err == io.EOF {
			return tooLong, nil
		}
	}
}

// backward gives the lines of a file from its end on.
type backward struct {
	f     io.ReaderAt
	start int64  // what comes before this is not read yet
	held  []byte // what comes from there on, and is not given yet
	long  bool   // the line at the end of held is beyond maxLine, and cut
}

// line gives the next line, and where it begins in the file. The error is io.EOF when there is none.
func (b *backward) line() (line []byte, at int64, err error) {
	for {
		switch i := bytes.LastIndexByte(b.held, '\n'); {
		case i < 0 && b.start > 0:
			if err := b.more(); err != nil {
				return nil, 0, err
			}
			continue
		case i < 0 && len(b.held) == 0:
			return nil, 0, io.EOF
		default:
			line, at = b.held[i+1:], b.start+int64(i+1)
			b.held = b.held[:max(i, 0)]
		}
		whole := !b.long
		b.long = false
		if whole && len(line) > 0 {
			return line, at, nil
		}
	}
}

// more reads what comes before the lines held.
func (b *backward) more() error {
	if len(b.held) > maxLine {
		b.held, b.long = nil, true
	}
	n := min(b.start, maxLine)
	text := make([]byte, n, int(n)+len(b.held))
	if _, err := b.f.ReadAt(text, b.start-n); err != nil {
		return err
	}
	b.start -= n
	b.held = append(text, b.held...)
	return nil
}
