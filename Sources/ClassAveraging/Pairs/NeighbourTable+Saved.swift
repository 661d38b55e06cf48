import Resume

/// Without probabilities and regressors.
extension NeighbourTable: WordRows {
  package var wordsPerRow: Int { 3 * neighboursPerImage }

  /// The index, doubled, with the reflection in its lowest bit; affinity; rotation. All bits of the index are
  /// set where there is no neighbour.
  package func appendWords(ofRow row: Int, to words: inout [UInt32]) {
    for entry in row * neighboursPerImage..<(row + 1) * neighboursPerImage {
      words.append(
        indices[entry] < 0 ? .max : UInt32(indices[entry]) << 1 | UInt32(reflected[entry]))
      words.append(affinities[entry].bitPattern)
      words.append(rotations[entry].bitPattern)
    }
  }

  package mutating func setWords(_ words: ArraySlice<UInt32>, ofRow row: Int) {
    for at in 0..<neighboursPerImage {
      let (entry, word) = (row * neighboursPerImage + at, words.startIndex + 3 * at)
      let isMissing = words[word] == .max
      indices[entry] = isMissing ? -1 : Int32(words[word] >> 1)
      reflected[entry] = isMissing ? 0 : UInt8(words[word] & 1)
      affinities[entry] = Float(bitPattern: words[word + 1])
      rotations[entry] = Float(bitPattern: words[word + 2])
    }
  }
}
