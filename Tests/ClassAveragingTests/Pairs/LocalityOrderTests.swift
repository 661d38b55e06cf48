import MPI
import TestSupport
import Testing

@testable import ClassAveraging

@Suite struct LocalityOrderTests {
  @Test("Positions are the inverse of the images")
  func inverse() throws {
    let order = try #require(LocalityOrder([3, 0, 4, 1, 2]))
    #expect(order.images == [3, 0, 4, 1, 2])
    #expect(order.positions == [1, 3, 4, 0, 2])
    #expect(try #require(LocalityOrder([])).positions == [])
  }

  @Test(
    "What is no permutation is no order",
    arguments: [[1], [0, 0], [0, 2], [-1, 0], [2, 1, 0, 2], [.max, 0]] as [[Int32]])
  func refused(images: [Int32]) {
    #expect(LocalityOrder(images) == nil)
  }

  @Test("Values go to the positions of their images")
  func ordered() throws {
    let order = try #require(LocalityOrder([3, 0, 4, 1, 2]))
    #expect(order.ordered(["a", "b", "c", "d", "e"]) == ["d", "a", "e", "b", "c"])
  }

  @Test("A table of positions becomes one of images, all columns")
  func inFileOrder() throws {
    let order = try #require(LocalityOrder([2, 0, 1]))
    var table = NeighbourTable(count: 3, neighboursPerImage: 2)
    // Positions 0, 1 and 2: images 2, 0 and 1.
    table.indices = [1, 2, 0, -1, 0, 1]
    table.affinities = [0, 1, 2, 3, 4, 5]
    table.alignments = .init([10, 11, 12, 13, 14, 15], reflected: [1, 0, 0, 0, 1, 1])
    table.probabilities = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    table.regressors = (0..<18).map { Float($0) }
    let result = order.inFileOrder(table)
    #expect(result.indices == [2, -1, 2, 0, 0, 1])
    #expect(result.affinities == [2, 3, 4, 5, 0, 1])
    #expect(
      result.alignments == .init([12, 13, 14, 15, 10, 11], reflected: [0, 0, 1, 1, 1, 0]))
    #expect(result.probabilities == [0.3, 0.4, 0.5, 0.6, 0.1, 0.2])
    #expect(result.regressors == [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 1, 2, 3, 4, 5])
    table.probabilities = []
    table.regressors = []
    let plain = order.inFileOrder(table)
    #expect(plain.probabilities.isEmpty && plain.regressors.isEmpty)
    #expect(plain.indices == result.indices)
  }

  @Test("Checksums tell orders apart")
  func checksum() {
    let orders: [[Int32]] = [[0, 1, 2], [0, 2, 1], [2, 1, 0], [0, 1, 2, 3]]
    let sums = orders.compactMap { LocalityOrder($0)?.checksum }
    #expect(Set(sums).count == 4)
    #expect(sums[0] == LocalityOrder([0, 1, 2])?.checksum)
  }
}

/// The order of images by their reference classes.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ViewOrderSmallRanks {
  /// Views along a line: image i is at place i of 60, and has the five reference classes of 16 that are nearest.
  @Test("Images along a line of landmarks are side by side, whatever the order of the file")
  func line() throws {
    let world = try testWorld()
    let (count, landmarks, capacity) = (60, 16, 5)
    // 7 and 60 have no common factor, nor have 5 and 16.
    let placeOfImage = (0..<count).map { $0 * 7 % count }
    let positionOfReference = (0..<landmarks).map { 5 * $0 % landmarks }
    var best = BestReferences(
      images: Partition(of: count, among: world.size).range(of: world.rank), capacity: capacity)
    for image in best.images where image != 23 {
      let at = Double(placeOfImage[image]) * Double(landmarks - 1) / Double(count - 1)
      let near = (0..<landmarks).sorted {
        (abs(Double(positionOfReference[$0]) - at), $0) < (
          abs(Double(positionOfReference[$1]) - at), $1
        )
      }
      for (entry, landmark) in zip(best.entries(of: image), near) {
        best.references[entry] = Int32(landmark)
      }
    }
    let order = try LocalityOrder(by: best, references: landmarks, on: world)
    #expect(order.images.sorted() == Array(0..<Int32(count)))
    #expect(order.positions.indices.allSatisfy { order.images[Int(order.positions[$0])] == $0 })
    // The one without reference classes is last.
    #expect(order.images.last == 23)

    // The same by the reference classes' order: the middle one of five places, then the file's.
    let graph = try ReferenceGraph.shared(by: best, references: landmarks, on: world)
    let chain = try world.broadcast(graph?.order ?? [])
    var all = BestReferences(images: 0..<count, capacity: capacity)
    all.references = try world.allgatherRagged(best.references)
    let middles = (0..<count).map { image -> Int in
      let places = all.references[all.entries(of: image)].compactMap { chain.firstIndex(of: $0) }
      return places.isEmpty ? .max : places.sorted()[2]
    }
    #expect(
      order.images.map { Int($0) } == (0..<count).sorted { (middles[$0], $0) < (middles[$1], $1) })
    // Those by the first half of the reference classes are one stretch of the line, of which one image is missing.
    let first = (0..<count).filter { middles[$0] < landmarks / 2 }.map { placeOfImage[$0] }
    #expect(first.count > 20 && first.max()! - first.min()! <= first.count, "\(first)")
  }
}
