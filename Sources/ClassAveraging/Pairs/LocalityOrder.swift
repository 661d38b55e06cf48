import ImageModel
import MPI
import ParticleIO

/// The images in a locality order: those of any stretch show much the same views, whatever the order of the file.
/// Ranks that own stretches of it have most candidates and neighbours of their images among these themselves.
struct LocalityOrder: Sendable {
  /// The image at each position.
  let images: [Int32]
  /// The position of each image.
  let positions: [Int32]

  /// Nil where `images` are not all images, once each.
  init?(_ images: [Int32]) {
    var positions = [Int32](repeating: -1, count: images.count)
    for (position, image) in images.enumerated() {
      guard images.indices.contains(Int(image)), positions[Int(image)] < 0 else { return nil }
      positions[Int(image)] = Int32(position)
    }
    self.images = images
    self.positions = positions
  }

  /// Tells an order from others.
  var checksum: String {
    var sum = Checksum()
    images.withUnsafeBytes { sum.add($0) }
    return sum.text
  }

  /// Values of the images, at their positions.
  func ordered<T>(_ values: [T]) -> [T] { images.map { values[Int($0)] } }

  /// A table of positions as one of images.
  func inFileOrder(_ table: NeighbourTable) -> NeighbourTable {
    var result = table
    func moved<Column: TableColumn>(_ column: Column) -> Column {
      let width = column.count / max(1, positions.count)
      var values = Column()
      values.reserveCapacity(column.count)
      for position in positions {
        values += column[Int(position) * width..<(Int(position) + 1) * width]
      }
      return values
    }
    result.indices = moved(table.indices.map { $0 < 0 ? $0 : images[Int($0)] })
    result.affinities = moved(table.affinities)
    result.alignments = moved(table.alignments)
    result.probabilities = moved(table.probabilities)
    result.regressors = moved(table.regressors)
    return result
  }

  /// Hands rows of numbers, one an image, from the ranks that own the images to those that own their positions, some
  /// at a time. Collective.
  /// - Parameters:
  ///   - partition: of the images and of the positions.
  ///   - append: appends the row of one of this rank's images, `width` elements.
  ///   - take: called for every one of this rank's positions.
  func move<T: MPIDatatype>(
    width: Int, _ partition: Partition, on comm: Communicator,
    append: (_ image: Int, _ rows: inout [T]) -> Void,
    take: (_ position: Int, _ row: ArraySlice<T>) -> Void
  ) throws {
    let own = partition.range(of: comm.rank)
    for offset in stride(from: 0, to: partition.range(of: 0).count, by: Self.chunk) {
      func part(of rank: Int) -> Range<Int> {
        let range = partition.range(of: rank)
        let start = min(range.lowerBound + offset, range.upperBound)
        return start..<min(start + Self.chunk, range.upperBound)
      }
      var rows: [T] = []
      let counts = (0..<comm.size).map { rank in
        let before = rows.count
        for image in images[part(of: rank)] where own.contains(Int(image)) {
          append(Int(image), &rows)
        }
        return rows.count - before
      }
      let received = try comm.alltoallRagged(rows, counts: counts)
      // What comes from a rank is in the order of its positions here.
      var next = [0]
      for count in received.counts { next.append(next.last! + count) }
      for position in part(of: comm.rank) {
        let rank = partition.owner(of: Int(images[position]))
        take(position, received.values[next[rank]..<next[rank] + width])
        next[rank] += width
      }
    }
  }

  /// Rows that a rank owns at a time while they move: bounds the memory.
  fileprivate static let chunk = 4096
}

extension CoefficientStore {
  /// The rows at their positions in an order. Collective.
  func moved(to order: LocalityOrder) throws -> CoefficientStore {
    let own = partition.range(of: comm.rank)
    return try CoefficientStore(layout: layout, partition: partition, on: comm) { target in
      for start in stride(from: 0, to: partition.range(of: 0).count, by: LocalityOrder.chunk) {
        let part = own.dropFirst(start).prefix(LocalityOrder.chunk)
        let images = order.images[part]
        try fetch(images.sorted()).copy(
          images, to: target + (part.lowerBound - own.lowerBound) * width)
      }
    }
  }
}

extension CandidateScoring {
  /// The same with images at their positions in an order, which is a new numbering of them. Collective.
  func moved(to order: LocalityOrder) throws -> CandidateScoring {
    CandidateScoring(
      model: model, rows: try observer.communicating { try rows.moved(to: order) },
      groups: order.ordered(groups), threads: threads, comm: comm, observer: observer)
  }
}
