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
              affinity: affinities[candidate], rotation: Float(candidate) / 10,
              reflected: UInt8(candidate % 2)), to: 1)
        }
        #expect(table.indices == [-1, -1, -1, -1, -1, 1, 2, 5, 4, 7])
        #expect(table.affinities[5...] == [5, 5, 5, 4, 4])
        #expect(table.rotations[5...] == [0.1, 0.2, 0.5, 0.4, 0.7])
        #expect(table.reflected[5...] == [1, 0, 1, 0, 1])
      }
    }
  }

  /// Every column of a table cut by confidence keeps what belongs to the neighbours that stay.
  @Test func confidentListsKeepAllColumns() {
    let probabilities: [Float] = [0.9, 0.1, 0.6, 0.2, 0.7, .nan]
    var table = NeighbourTable(count: 2, neighboursPerImage: 3)
    table.indices = [1, 2, 3, 5, 4, -1]
    table.affinities = [30, 20, 10, 7, 6, .nan]
    table.rotations = [0.1, 0.2, 0.3, 0.4, 0.5, 0]
    table.reflected = [1, 0, 1, 0, 1, 0]
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
    #expect(cut.rotations == [0.1, 0.3, 0, 0.5, 0, 0])
    #expect(cut.reflected == [1, 1, 0, 1, 0, 0])
    #expect(same(cut.probabilities, [0.9, 0.6, .nan, 0.7, .nan, .nan]))
    #expect(
      same(
        cut.regressors, [0, 1, 4, 5, .nan, .nan, 8, 9] + [Float](repeating: .nan, count: 4)))
  }
}
