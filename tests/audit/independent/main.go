// Reads an exported log as any reader of transparency logs would, by Go's own libraries.
//
// Usage: independent FOLDER VKEY [EARLIER-CHECKPOINT]
// Checks the checkpoint's signature, then for every entry an inclusion proof that it makes from the
// tiles, and the growth from the earlier checkpoint. Prints the number of entries.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(path string, verifiers note.Verifiers) tlog.Tree {
	content, err := os.ReadFile(path)
	must(err)
	opened, err := note.Open(content, verifiers)
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	hash, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: hash}
}

func (f folder) bundle(n, size int64) []byte {
	// The path of a tile, with other contents.
	width := int(size - n<<height)
	if width > 1<<height {
		width = 1 << height
	}
	path := tlog.Tile{H: height, L: 0, N: n, W: width}.Path()
	path = strings.Replace(path, fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	content, err := os.ReadFile(filepath.Join(string(f), path))
	must(err)
	return content
}

func main() {
	at := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	verifiers := note.VerifierList(verifier)
	tree := open(filepath.Join(os.Args[1], "checkpoint"), verifiers)
	reader := tlog.TileHashReader(tree, at)
	seq := int64(0)
	for n := int64(0); n<<height < tree.N; n++ {
		for content := at.bundle(n, tree.N); len(content) > 0; seq++ {
			length := int(binary.BigEndian.Uint16(content))
			proof, err := tlog.ProveRecord(tree.N, seq, reader)
			must(err)
			leaf := tlog.RecordHash(content[2 : 2+length])
			must(tlog.CheckRecord(proof, tree.N, tree.Hash, seq, leaf))
			content = content[2+length:]
		}
	}
	if len(os.Args) > 3 {
		earlier := open(os.Args[3], verifiers)
		proof, err := tlog.ProveTree(tree.N, earlier.N, reader)
		must(err)
		must(tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash))
	}
	fmt.Println(seq)
}
