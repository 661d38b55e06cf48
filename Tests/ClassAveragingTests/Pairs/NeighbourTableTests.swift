import ImageModel
import Testing

@testable import ClassAveraging

@Suite struct NeighbourTableTests {
  @Test("The best K in order, ties by index, whatever the order of offers")
  func offers() {
    let affinities: [Float] = [3, 5, 5, -1, 4, 5, 0, 4, 2]
    for shift in 0..<affinities.count {
      for isReversed in [false, true] {
        var table = NeighbourTable(count: 2, neighboursPerImage: 5)
        let order = affinities.indices.map { ($0 + shift) % affinities.count }
        for candidate in isReversed ? order.reversed() : order {
          table.offer(
            Int32(candidate),
            PairScore(
              affinity: affinities[candidate],
              alignment: Alignment(
                rotation: Float(candidate) / 10, isReflected: candidate % 2 == 1)), to: 1)
        }
        #expect(table.indices == [-1, -1, -1, -1, -1, 1, 2, 5, 4, 7])
        #expect(table.affinities[5...] == [5, 5, 5, 4, 4])
        #expect(table.alignments[5...].map(\.rotation) == [0.1, 0.2, 0.5, 0.4, 0.7])
        #expect(table.alignments[5...].map(\.isReflected) == [true, false, true, false, true])
      }
    }
  }

  /// Every column of a table cut by confidence keeps what belongs to the neighbours that stay.
  @Test func confidentListsKeepAllColumns() {
    let probabilities: [Float] = [0.9, 0.1, 0.6, 0.2, 0.7, .nan]
    var table = NeighbourTable(count: 2, neighboursPerImage: 3)
    table.indices = [1, 2, 3, 5, 4, -1]
    table.affinities = [30, 20, 10, 7, 6, .nan]
    table.alignments = .init([0.1, 0.2, 0.3, 0.4, 0.5, 0], reflected: [1, 0, 1, 0, 1, 0])
    table.probabilities = probabilities
    table.regressors = (0..<12).map { Float($0) }
    let cut = table.confident(0.5)
    #expect(cut.count == 2 && cut.indices == [1, 3, -1, 4, -1, -1])
    func same(_ column: [Float], _ expected: [Float]) -> Bool {
      column.count == expected.count
        && zip(column, expected).allSatisfy {
          $0 == $1 || ($0.isNaN && $1.isNaN)
        }
    }
    #expect(same(cut.affinities, [30, 10, .nan, 6, .nan, .nan]))
    #expect(
      cut.alignments == .init([0.1, 0.3, 0, 0.5, 0, 0], reflected: [1, 1, 0, 1, 0, 0]))
    #expect(same(cut.probabilities, [0.9, 0.6, .nan, 0.7, .nan, .nan]))
    #expect(
      same(
        cut.regressors, [0, 1, 4, 5, .nan, .nan, 8, 9] + [Float](repeating: .nan, count: 4)))
  }

  /// The first of each list, all columns.
  @Test func prefixes() {
    var table = NeighbourTable(count: 2, neighboursPerImage: 3)
    table.indices = [1, 2, 3, 5, 4, -1]
    table.alignments = .init([0.1, 0.2, 0.3, 0.4, 0.5, 0], reflected: [1, 0, 1, 0, 1, 0])
    table.regressors = (0..<12).map { Float($0) }
    let first = table.prefix(2)
    #expect(first.count == 2 && first.indices == [1, 2, 5, 4])
    #expect(first.alignments == .init([0.1, 0.2, 0.4, 0.5], reflected: [1, 0, 0, 1]))
    #expect(first.regressors == [0, 1, 2, 3, 6, 7, 8, 9])
  }

  /// The words of checkpoints: three an entry, the reflection in the lowest bit of the index.
  @Test func savedWords() {
    var table = NeighbourTable(count: 2, neighboursPerImage: 2)
    table.indices = [7, -1, 1 << 30, 0]
    table.affinities = [1.5, -.infinity, -2, 0.25]
    table.alignments = .init([-.pi, 0, 0.5, .pi], reflected: [1, 0, 0, 1])
    var words: [UInt32] = []
    for row in 0..<2 { table.appendWords(ofRow: row, to: &words) }
    #expect(
      words == [
        15, Float(1.5).bitPattern, (-Float.pi).bitPattern,
        .max, (-Float.infinity).bitPattern, 0,
        1 << 31, Float(-2).bitPattern, Float(0.5).bitPattern,
        1, Float(0.25).bitPattern, Float.pi.bitPattern,
      ])
    #expect(words.count == 2 * table.wordsPerRow)
    var copy = NeighbourTable(count: 2, neighboursPerImage: 2)
    for row in 0..<2 { copy.setWords(words[row * 6..<row * 6 + 6], ofRow: row) }
    #expect(copy.indices == table.indices && copy.affinities == table.affinities)
    #expect(copy.alignments == table.alignments)
  }
}
