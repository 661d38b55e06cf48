import MPI

/// Reference classes that share images are close in view: a graph, put into an order of which any stretch is a patch
/// of views or two.
struct ReferenceGraph {
  /// A reference class that another one shares images with.
  struct Link {
    let reference: Int32
    /// Images that both share.
    let weight: Float
  }

  /// The links of each reference class, in both directions.
  let links: [[Link]]

  /// Reference classes of an image that count as shared with its best one.
  private static let shared = 10
  /// Links of each reference class that are kept, those of most images.
  private static let degree = 8

  init(links: [[Link]]) { self.links = links }

  /// Whole numbers alone enter: the same on any number of ranks. Collective.
  /// - Parameters:
  ///   - best: the reference classes of each rank's images.
  ///   - count: how many reference classes there are.
  /// - Returns: on rank 0; nil elsewhere.
  static func shared(by best: BestReferences, references count: Int, on comm: Communicator) throws
    -> ReferenceGraph?
  {
    var pairs: [Int64] = []
    pairs.reserveCapacity(best.images.count * 2 * (shared - 1))
    for image in best.images {
      let entries = best.entries(of: image).prefix(shared).filter { best.references[$0] >= 0 }
      guard let first = entries.first else { continue }
      for other in entries.dropFirst() {
        let (a, b) = (Int64(best.references[first]), Int64(best.references[other]))
        pairs.append(a << 32 | b)
        pairs.append(b << 32 | a)
      }
    }
    pairs.sort()
    // Each rank adds up those of its part of the reference classes.
    let partition = Partition(of: count, among: comm.size)
    var counts = [Int](repeating: 0, count: comm.size)
    for pair in pairs { counts[partition.owner(of: Int(pair >> 32))] += 1 }
    pairs = try comm.alltoallRagged(pairs, counts: counts).values
    pairs.sort()
    var kept: [Int32] = []
    var start = 0
    for reference in partition.range(of: comm.rank) {
      var found: [(other: Int32, weight: Int32)] = []
      while start < pairs.count && pairs[start] >> 32 == Int64(reference) {
        let end = pairs[start...].firstIndex { $0 != pairs[start] } ?? pairs.count
        found.append((Int32(truncatingIfNeeded: pairs[start]), Int32(end - start)))
        start = end
      }
      found.sort { ($1.weight, $0.other) < ($0.weight, $1.other) }
      for link in found.prefix(degree) { kept += [Int32(reference), link.other, link.weight] }
    }
    let all = try comm.gatherRagged(kept)
    if !comm.isRoot { return nil }
    var links = [[Link]](repeating: [], count: count)
    for at in stride(from: 0, to: all.count, by: 3) {
      links[Int(all[at])].append(Link(reference: all[at + 1], weight: Float(all[at + 2])))
      links[Int(all[at + 1])].append(Link(reference: all[at], weight: Float(all[at + 2])))
    }
    return ReferenceGraph(links: links)
  }

  /// All reference classes, in the order that cutting the graph in two gives, and the halves in two, down to single ones.
  var order: [Int32] {
    var order = links.indices.map { Int32($0) }
    var parts = [0..<order.count]
    var inside = [Bool](repeating: false, count: order.count)
    while let part = parts.popLast() {
      if part.count < 3 { continue }
      order.replaceSubrange(part, with: sorted(Array(order[part]), inside: &inside))
      let middle = (part.lowerBound + part.upperBound) / 2
      parts += [part.lowerBound..<middle, middle..<part.upperBound]
    }
    return order
  }

  /// Some reference classes from one end of their part of the graph to the other.
  ///
  /// A reference class's coordinate is first how much nearer it is to one of two far ends than to the other; then it
  /// moves towards the mean of its links, as in the iteration for the graph's second eigenvector, which wrong links
  /// trouble less than they do a shortest path.
  private func sorted(_ references: [Int32], inside: inout [Bool]) -> [Int32] {
    for reference in references { inside[Int(reference)] = true }
    defer { for reference in references { inside[Int(reference)] = false } }
    func farthest(_ steps: [Int32: Int32]) -> Int32 {
      references.max {
        (steps[$0] ?? .max, $1) < (steps[$1] ?? .max, $0)
      }!
    }
    let first = farthest(steps(from: references[0], inside))
    let fromFirst = steps(from: first, inside)
    let fromLast = steps(from: farthest(fromFirst), inside)
    let unreached = Int32(references.count)
    var place = [Int32: Int](minimumCapacity: references.count)
    for (at, reference) in references.enumerated() { place[reference] = at }
    var values = references.map {
      Float((fromFirst[$0] ?? unreached) - (fromLast[$0] ?? unreached))
    }
    // The links within the part, one reference class after the other.
    var near: [(at: Int32, weight: Float)] = []
    var ends: [Int] = []
    var degrees = [Float](repeating: 0, count: references.count)
    for (at, reference) in references.enumerated() {
      for link in links[Int(reference)] {
        guard let other = place[link.reference] else { continue }
        near.append((Int32(other), link.weight))
        degrees[at] += link.weight
      }
      ends.append(near.count)
    }
    let total = degrees.reduce(0, +)
    // A value needs time in proportion to the reference classes to get about.
    let rounds = total > 0 ? min(600, max(30, references.count / 4)) : 0
    for _ in 0..<rounds {
      let mean = zip(values, degrees).reduce(0) { $0 + $1.0 * $1.1 } / total
      var moved = values
      var next = 0
      for (at, end) in ends.enumerated() where end > next {
        var sum: Float = 0
        for link in near[next..<end] { sum += link.weight * values[Int(link.at)] }
        moved[at] = (values[at] + sum / degrees[at]) / 2 - mean
        next = end
      }
      values = moved
    }
    return references.indices.sorted { (values[$0], references[$0]) < (values[$1], references[$1]) }
      .map { references[$0] }
  }

  /// The steps along links within a part from one of its reference classes to those that can be reached.
  private func steps(from start: Int32, _ inside: [Bool]) -> [Int32: Int32] {
    var steps = [start: Int32(0)]
    var front = [start]
    var distance: Int32 = 0
    while !front.isEmpty {
      distance += 1
      var next: [Int32] = []
      for reference in front {
        for link in links[Int(reference)]
        where inside[Int(link.reference)] && steps[link.reference] == nil {
          steps[link.reference] = distance
          next.append(link.reference)
        }
      }
      front = next
    }
    return steps
  }
}
