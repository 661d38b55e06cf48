import MPI

extension LocalityOrder {
  /// Images by their reference classes, which are put into a locality order (`ReferenceGraph`): by the middle one of the
  /// first few, for the very first is sometimes wrong; those without any come last. The same on every rank, and on
  /// any number of ranks. Collective.
  /// - Parameter count: how many reference classes there are.
  init(by best: BestReferences, references count: Int, on comm: Communicator) throws {
    let graph = try ReferenceGraph.shared(by: best, references: count, on: comm)
    let order = try comm.broadcast(graph?.order ?? [])
    var place = [Int32](repeating: 0, count: count)
    for (at, reference) in order.enumerated() { place[Int(reference)] = Int32(at) }
    let own = best.images.map { image -> Int32 in
      let first = best.references[best.entries(of: image).prefix(Self.deciding)]
      let places = first.filter { $0 >= 0 }.map { place[Int($0)] }.sorted()
      return places.isEmpty ? Int32(count) : places[places.count / 2]
    }
    let places = try comm.allgatherRagged(own)
    var next = [Int](repeating: 0, count: count + 2)
    for place in places { next[Int(place) + 1] += 1 }
    for at in 0...count { next[at + 1] += next[at] }
    var images = [Int32](repeating: 0, count: places.count)
    var positions = images
    for (image, place) in places.enumerated() {
      positions[image] = Int32(next[Int(place)])
      images[next[Int(place)]] = Int32(image)
      next[Int(place)] += 1
    }
    self.images = images
    self.positions = positions
  }

  /// Reference classes of an image that decide about its position.
  private static let deciding = 5
}

extension BestReferences {
  /// The lists at their images' positions in an order. Collective.
  func moved(to order: LocalityOrder, _ partition: Partition, on comm: Communicator) throws
    -> BestReferences
  {
    var result = BestReferences(images: images, capacity: capacity)
    try order.move(width: wordsPerRow, partition, on: comm) { image, words in
      appendWords(ofRow: image - images.lowerBound, to: &words)
    } take: { position, words in
      result.setWords(words, ofRow: position - images.lowerBound)
    }
    return result
  }
}
