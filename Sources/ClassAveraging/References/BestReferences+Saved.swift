import Resume

extension BestReferences: WordRows {
  var wordsPerRow: Int { 2 * capacity }

  func appendWords(ofRow row: Int, to words: inout [UInt32]) {
    for entry in row * capacity..<(row + 1) * capacity {
      words.append(UInt32(bitPattern: references[entry]))
      words.append(scores[entry].bitPattern)
    }
  }

  mutating func setWords(_ words: ArraySlice<UInt32>, ofRow row: Int) {
    for at in 0..<capacity {
      let word = words.startIndex + 2 * at
      references[row * capacity + at] = Int32(bitPattern: words[word])
      scores[row * capacity + at] = Float(bitPattern: words[word + 1])
    }
  }

  func areValid(_ words: [UInt32], of count: Int) -> Bool {
    stride(from: 0, to: words.count, by: 2).allSatisfy { at in
      words[at] == .max || words[at] < count && !Float(bitPattern: words[at + 1]).isNaN
    }
  }
}
