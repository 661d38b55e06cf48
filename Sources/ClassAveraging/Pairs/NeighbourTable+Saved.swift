import ImageModel
import Resume

/// Without probabilities and regressors.
extension NeighbourTable: WordRows {
  package var wordsPerRow: Int { Self.entryWords * neighboursPerImage }

  private static var entryWords: Int { 2 + Alignment.packedWords }

  /// The index, doubled, with the alignment's bit as the lowest; the affinity; the alignment's words. All bits of
  /// the index are set where there is no neighbour.
  package func appendWords(ofRow row: Int, to words: inout [UInt32]) {
    for entry in row * neighboursPerImage..<(row + 1) * neighboursPerImage {
      words.append(
        indices[entry] < 0 ? .max : UInt32(indices[entry]) << 1 | alignments[entry].packedBit)
      words.append(affinities[entry].bitPattern)
      alignments[entry].appendWords(to: &words)
    }
  }

  package mutating func setWords(_ words: ArraySlice<UInt32>, ofRow row: Int) {
    for at in 0..<neighboursPerImage {
      let (entry, word) = (row * neighboursPerImage + at, words.startIndex + Self.entryWords * at)
      let isMissing = words[word] == .max
      indices[entry] = isMissing ? -1 : Int32(words[word] >> 1)
      affinities[entry] = Float(bitPattern: words[word + 1])
      alignments[entry] = Alignment(
        packedBit: isMissing ? 0 : words[word], words: words[(word + 2)...])
    }
  }

  package func areValid(_ words: [UInt32], of count: Int) -> Bool {
    stride(from: 0, to: words.count, by: 3).allSatisfy { at in
      words[at] == .max
        || Int(words[at] >> 1) < count && !Float(bitPattern: words[at + 1]).isNaN
          && Float(bitPattern: words[at + 2]).isFinite
    }
  }
}
