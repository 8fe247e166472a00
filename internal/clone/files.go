package clone

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/tools/txtar"
)

// Files are a commit's regular files, in memory: as source-controller packs them, without symbolic
// links and submodules.
func (c *Clone) Files(ctx context.Context, commit string) (fs.FS, error) {
	list, err := c.out(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var names, hashes []string
	for _, entry := range strings.Split(list, "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		if fields := strings.Fields(about); len(fields) == 3 && strings.HasPrefix(fields[0], "100") && fs.ValidPath(name) {
			names, hashes = append(names, name), append(hashes, fields[2])
		}
	}
	b, err := c.bytes(ctx, settings(), strings.NewReader(strings.Join(hashes, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	archive, r := &txtar.Archive{}, bufio.NewReader(bytes.NewReader(b))
	for _, name := range names {
		content, err := object(r)
		if err != nil {
			return nil, fmt.Errorf("git cat-file %s: %w", name, err)
		}
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: content})
	}
	return txtar.FS(archive)
}

// object reads one object of git cat-file --batch.
func object(r *bufio.Reader) ([]byte, error) {
	head, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	var hash, kind string
	var size int
	if _, err := fmt.Sscanf(head, "%s %s %d", &hash, &kind, &size); err != nil || kind != "blob" {
		return nil, errors.New("not a file: " + strings.TrimSpace(head))
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	_, err = r.ReadByte() // the line end after it
	return content, err
}

// File is the content of one file of a commit; nil if there is none.
func (c *Clone) File(ctx context.Context, commit, name string) ([]byte, error) {
	list, err := c.out(ctx, "ls-tree", "--full-tree", commit, "--", name)
	if err != nil || list == "" {
		return nil, err
	}
	return c.bytes(ctx, settings(), nil, "cat-file", "blob", commit+":"+name)
}
