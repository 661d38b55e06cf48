import Foundation
import MPI
import ParticleIO

/// The class averages of all images as a stream: every rank computes blocks of averages in turn and rank
/// 0 gets them in order, a bounded number at a time.
struct ClassAverages {
  let model: FittedModel
  let rows: DistributedRows
  let synthesis: ImageSynthesis
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Averages that a rank computes between two exchanges.
  static let block = 256

  /// Computes the averages of the first `count` images and hands them to `consume` on rank 0, in order:
  /// images of a block, size^2 pixels each. Collective.
  /// - Parameter table: the neighbours, on every rank.
  func stream(
    _ table: NeighbourTable, count: Int, consume: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let stream = ImageStream(
      count: count, pixels: synthesis.size * synthesis.size, block: Self.block, comm: comm,
      observer: observer)
    try stream.run(consume: consume) { images in
      try averages(of: images, table)
    }
  }

  /// The averages of some images; every rank takes part in the exchange of coefficients, with an empty
  /// range where it has nothing to do.
  private func averages(of images: Range<Int>, _ table: NeighbourTable) throws -> [Float] {
    let k = table.neighboursPerImage
    var needed = images.map { Int32($0) }
    for image in images { needed += table.indices[image * k..<(image + 1) * k].filter { $0 >= 0 } }
    let unique = Set(needed).sorted()
    let values = try observer.communicating { try rows.fetch(unique) }
    var place: [Int32: Int] = [:]
    for (at, image) in unique.enumerated() { place[image] = at }
    let width = rows.width
    let groups = model.groups.groupOfParticle
    var means = [Float](repeating: 0, count: images.count * width)
    let failures = FailureBox()
    values.withUnsafeBufferPointer { values in
      means.withUnsafeMutableBufferPointer { means in
        nonisolated(unsafe) let means = means
        parallelFor(images.count, threads: threads, state: { Box(ClassPosterior(model.posterior)) })
        {
          state, at in
          let image = images.lowerBound + at
          state.value.clear()
          func add(_ member: Int32, rotation: Float, reflected: Bool) {
            state.value.add(
              values.baseAddress! + place[member]! * width, group: Int(groups[Int(member)]),
              rotation: rotation, reflected: reflected)
          }
          add(Int32(image), rotation: 0, reflected: false)
          for entry in image * k..<(image + 1) * k where table.indices[entry] >= 0 {
            add(
              table.indices[entry], rotation: table.rotations[entry],
              reflected: table.reflected[entry] == 1)
          }
          do {
            let mean = try state.value.mean()
            for i in 0..<width { means[at * width + i] = mean[i] }
          } catch { failures.record(error) }
        }
      }
    }
    try failures.rethrow()
    return synthesis.images(of: means, count: images.count)
  }
}

/// A value that a thread changes in place.
final class Box<Value> {
  var value: Value
  init(_ value: Value) { self.value = value }
}

/// The first error of a loop on several threads.
final class FailureBox: @unchecked Sendable {
  private let lock = NSLock()
  private var first: (any Error)?

  func record(_ error: any Error) { lock.withLock { if first == nil { first = error } } }
  func rethrow() throws { if let first { throw first } }
}
