import Execution
import MPI

/// The CWF estimates of the clean images (paper eq. 4) as a stream.
public struct DenoisePipeline {
  /// The fitted model, with this rank's images in it.
  public let model: FittedModel
  /// Threads of each rank; they change nothing in the images.
  public let threads: Int
  /// The ranks that take part.
  public let comm: Communicator
  /// Told how far the run has come.
  public let observer: any StageObserver

  /// Denoises the images that `model` was fitted to.
  public init(
    model: FittedModel, threads: Int = 1, on comm: Communicator, observer: any StageObserver
  ) {
    self.model = model
    self.threads = threads
    self.comm = comm
    self.observer = observer
  }

  /// Computes the denoised images, size^2 pixels each, each on one rank, which gives them to its `sink`.
  /// Collective.
  public func stream(_ synthesis: ImageSynthesis, into sink: some ImageSink) throws {
    observer.stageBegan(StageName.denoising, items: model.partition.total)
    let means = model.posterior.posteriorMeans(
      of: model.statistics, groups: model.ownGroups(comm), threads: threads)
    let rows = try CoefficientStore(means, partition: model.partition, on: comm)
    let stream = ImageStream(
      count: model.partition.total, together: ImageSynthesis.together, comm: comm,
      observer: observer)
    try stream.run(into: sink) { images in
      let images = images.map { Int32($0) }
      let fetched = try observer.communicating { try rows.fetch(images) }
      return synthesis.images(
        of: fetched.values(of: images), count: images.count, threads: threads)
    }
    observer.stageEnded()
  }
}
