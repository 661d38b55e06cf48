import Execution
import ImageModel
import MPI
import Resume
import Volumes

/// A way to find every image's neighbours. One that is new is a file beside this one, and a case of
/// `SearchMethod`, which makes it of a run's options (`RunPlan`).
protocol NeighbourSearch {
  /// The neighbours of all images, at least those asked for, on every rank. Collective.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop; `LAPACKError`; `MPIError`.
  func neighbours(of images: SearchedImages) throws -> FoundNeighbours

  /// The search that does among other images what this one did to find `found`: where it decided by the images how
  /// far to go, that is given.
  func repeating(_ found: FoundNeighbours) -> any NeighbourSearch
}

extension NeighbourSearch {
  func repeating(_ found: FoundNeighbours) -> any NeighbourSearch { self }
}

/// What a search is given.
struct SearchedImages {
  /// What the statistics are of.
  let model: CleanModel
  /// The statistics b of this rank's images.
  let statistics: SteerableCoefficients
  /// The same of all images.
  let rows: CoefficientStore
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  let context: RunContext
  /// Where the search is saved, and goes on from; nil where it leaves none.
  let checkpoints: Checkpoints?

  var posterior: PosteriorModel { model.posterior }
  var partition: Partition { rows.partition }
  /// How many images there are, on all ranks.
  var count: Int { groups.count }
  /// The groups of this rank's images.
  var ownGroups: ArraySlice<Int32> { groups[partition.range(of: context.comm.rank)] }
  /// For stages that leave no checkpoint.
  var stoppable: RunContext { context.stoppable(by: checkpoints?.stop) }

  /// How pairs of these images are compared. Collective.
  /// - Throws: `LAPACKError`, `MPIError`.
  func scoring(by affinity: Affinity, observer: any StageObserver) throws -> CandidateScoring {
    let model = try PairModel(posterior, affinity: affinity)
    return CandidateScoring(
      model: model, rows: try compared(by: affinity), groups: groups, threads: context.threads,
      comm: context.comm, observer: observer)
  }

  /// What of the images an affinity compares.
  private func compared(by affinity: Affinity) throws -> CoefficientStore {
    guard affinity.comparesDenoisedImages else { return rows }
    return try CoefficientStore(
      posterior.denoised(statistics, groups: ownGroups).normalized, partition: partition,
      on: context.comm)
  }

  /// Classes of these images in the order of the file.
  func classes(members: Int) -> ImageClasses {
    ImageClasses(
      images: ImageSet(posterior: posterior, rows: rows, groups: groups),
      rule: ClassRule(members: members), context: context)
  }
}

/// What a search has found.
struct FoundNeighbours {
  /// Perhaps more neighbours than were asked for; in the order of `classes`.
  var table: NeighbourTable
  /// Of the passes after the first.
  var reports: [RefinementReport] = []
  /// The images with the rule by which the table's neighbours make classes; nil where their affinities say
  /// nothing about that.
  var classes: ImageClasses?
  /// What was matched to class averages; nil where nothing was.
  var particle: VolumeEstimate?

  /// A table of these images, in the order of the file.
  func inFileOrder(_ table: NeighbourTable) -> NeighbourTable {
    classes?.images.order?.inFileOrder(table) ?? table
  }
}
