import Execution
import Foundation
import ImageModel
import MPI

/// The class averages of all images as a stream: the ranks compute blocks of averages, a bounded number at a
/// time, and write each where it belongs.
struct ClassAverages {
  let model: FittedModel
  let rows: CoefficientStore
  let synthesis: ImageSynthesis
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Computes the averages of the first `count` images, size^2 pixels each, each on one rank, which gives them to
  /// its `sink`. Collective.
  /// - Parameters:
  ///   - table: the neighbours, on every rank.
  ///   - begin: called before each block on every rank.
  func stream(
    _ table: NeighbourTable, count: Int, into sink: some ImageSink, begin: () throws -> Void
  ) throws {
    let stream = ImageStream(
      count: count, together: ImageSynthesis.together, comm: comm,
      observer: observer)
    try stream.run(into: sink) { images in
      try begin()
      return try averages(of: images, table)
    }
  }

  /// The averages of some images.
  private func averages(of images: Range<Int>, _ table: NeighbourTable) throws -> [Float] {
    let means = ClassMeans(
      posterior: model.posterior, rows: rows, groups: model.groups.groupOfParticle,
      threads: threads, observer: observer)
    return synthesis.images(
      of: try means.means(of: images, table, members: table.neighboursPerImage),
      count: images.count, threads: threads)
  }
}
