import MPI
import TestSupport
import Testing

@testable import ClassAveraging

/// Which reference classes are linked.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ReferenceGraphRanks {
  private struct Entry: Hashable {
    let reference: Int32
    let weight: Float
  }

  /// Lists of `capacity` reference classes, of which some are shorter and some are empty.
  private func lists(images: Int, references: Int, capacity: Int) -> [[Int32]] {
    let numbers = randomNumbers(images * references, seed: 6)
    return (0..<images).map { image in
      // Reference classes close to the image's own place are more likely.
      let keys = (0..<references).map {
        abs(Double($0) - Double(image * references / images)) + 9 * numbers[image * references + $0]
      }
      let length = image % 9 == 4 ? image % 3 : capacity
      return (0..<references).sorted { (keys[$0], $0) < (keys[$1], $1) }.prefix(length)
        .map { Int32($0) }
    }
  }

  private func best(_ lists: [[Int32]], capacity: Int, on comm: Communicator) -> BestReferences {
    let own = Partition(of: lists.count, among: comm.size).range(of: comm.rank)
    var best = BestReferences(images: own, capacity: capacity)
    for image in own {
      for (entry, reference) in zip(best.entries(of: image), lists[image]) {
        best.references[entry] = reference
      }
    }
    return best
  }

  /// The best reference class of an image shares it with the nine after it; a reference class keeps those of most images, eight.
  @Test("Links are those of a direct count, in both directions")
  func directCount() throws {
    let world = try testWorld()
    let (references, capacity) = (30, 13)
    let lists = lists(images: 211, references: references, capacity: capacity)
    let graph = try ReferenceGraph.shared(
      by: best(lists, capacity: capacity, on: world), references: references, on: world)
    #expect((graph != nil) == world.isRoot)
    guard let graph else { return }
    var counts = [[Int32: Int]](repeating: [:], count: references)
    for list in lists {
      for other in list.prefix(10).dropFirst() {
        counts[Int(list[0])][other, default: 0] += 1
        counts[Int(other)][list[0], default: 0] += 1
      }
    }
    var expected = [[Entry]](repeating: [], count: references)
    for (reference, others) in counts.enumerated() {
      #expect(others.count > 8, "nothing to leave out")
      let kept = others.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.prefix(8)
      for (other, count) in kept {
        expected[reference].append(Entry(reference: other, weight: Float(count)))
        expected[Int(other)].append(Entry(reference: Int32(reference), weight: Float(count)))
      }
    }
    #expect(graph.links.count == references)
    for (reference, links) in graph.links.enumerated() {
      let found = links.map { Entry(reference: $0.reference, weight: $0.weight) }
      // As often as either of the two has kept it.
      #expect(found.count == expected[reference].count)
      for entry in Set(found + expected[reference]) {
        #expect(
          found.count { $0 == entry } == expected[reference].count { $0 == entry },
          "\(reference) to \(entry)")
      }
    }
  }

  @Test("Images with one landmark or none link nothing")
  func nothingShared() throws {
    let world = try testWorld()
    let lists: [[Int32]] = (0..<20).map { $0 % 2 == 0 ? [] : [Int32($0 % 5)] }
    let graph = try ReferenceGraph.shared(
      by: best(lists, capacity: 4, on: world), references: 5, on: world)
    if let graph { #expect(graph.links.count == 5 && graph.links.allSatisfy(\.isEmpty)) }
  }
}

/// The order in which reference classes are put.
@Suite struct ReferenceGraphTests {
  /// Links of weight 1, unless given, in both directions.
  private func graph(_ count: Int, _ pairs: [(Int, Int)], weight: (Int) -> Float = { _ in 1 })
    -> ReferenceGraph
  {
    var links = [[ReferenceGraph.Link]](repeating: [], count: count)
    for (at, (a, b)) in pairs.enumerated() {
      links[a].append(.init(reference: Int32(b), weight: weight(at)))
      links[b].append(.init(reference: Int32(a), weight: weight(at)))
    }
    return ReferenceGraph(links: links)
  }

  /// Halves, quarters and so on of an order are cut where the order itself was.
  private func forEachPart(_ part: Range<Int>, _ body: (Range<Int>) -> Void) {
    body(part)
    if part.count < 3 { return }
    let middle = (part.lowerBound + part.upperBound) / 2
    forEachPart(part.lowerBound..<middle, body)
    forEachPart(middle..<part.upperBound, body)
  }

  @Test(
    "A chain is put in order: each half, quarter and so on is a stretch of it",
    arguments: [1, 2, 3, 7, 8, 16, 45])
  func chain(count: Int) {
    // The chain's p-th reference class has number names[p].
    let numbers = randomNumbers(count, seed: 3)
    let names = (0..<count).sorted { numbers[$0] < numbers[$1] }
    var place = [Int](repeating: 0, count: count)
    for (at, name) in names.enumerated() { place[name] = at }
    let order = graph(count, (1..<count).map { (names[$0 - 1], names[$0]) }).order
    #expect(order.map { Int($0) }.sorted() == Array(0..<count))
    forEachPart(0..<count) { part in
      let places = order[part].map { place[Int($0)] }
      #expect(places.max()! - places.min()! == part.count - 1, "\(part): \(places)")
    }
  }

  @Test("Two cliques, linked once or not at all, are the halves", arguments: [true, false])
  func cliques(isLinked: Bool) {
    // Even numbers and odd ones.
    var pairs = isLinked ? [(4, 7)] : []
    for a in 0..<12 { for b in a + 1..<12 where (b - a) % 2 == 0 { pairs.append((a, b)) } }
    let order = graph(12, pairs).order
    #expect(order.sorted() == Array(0..<12))
    #expect(Set(order.prefix(6).map { $0 % 2 }).count == 1)
    #expect(Set(order.suffix(6).map { $0 % 2 }).count == 1)
    #expect(order[0] % 2 != order[11] % 2)
  }

  /// A ring of 16 and a link across it of hardly any weight: halves are two arcs all the same.
  @Test("A wrong link of little weight does not mix a ring")
  func ring() {
    let pairs = (0..<16).map { ($0, ($0 + 1) % 16) } + [(0, 6)]
    let order = graph(16, pairs) { $0 < 16 ? 50 : 1 }.order
    #expect(order.sorted() == Array(0..<16))
    for half in [order.prefix(8), order.suffix(8)] {
      // An arc has one end: one reference class whose next one is elsewhere.
      let members = Set(half)
      #expect(half.count { !members.contains(($0 + 1) % 16) } == 1, "\(half)")
    }
  }

  @Test("Landmarks without links are all there, as are none at all")
  func withoutLinks() {
    #expect(graph(9, []).order.sorted() == Array(0..<9))
    #expect(graph(0, []).order == [])
  }
}
