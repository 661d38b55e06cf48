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
}
