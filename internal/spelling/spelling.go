// Package spelling finds the word that a user is likely to have meant.
package spelling

// Nearest returns the first of the names with the fewest different letters from name,
// or "" if all differ by more than a third of name's letters or by more than two.
func Nearest(name string, names []string) string {
	letters := []rune(name)
	best, at := "", min(2, len(letters)/3)+1
	for _, n := range names {
		if d := distance(letters, []rune(n)); d < at {
			best, at = n, d
		}
	}
	return best
}

// distance is the number of letters to insert, drop or change (Levenshtein).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, last+1)
		}
	}
	return row[len(b)]
}
