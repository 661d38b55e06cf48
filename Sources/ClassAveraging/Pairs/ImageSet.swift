import ImageModel

/// The images of a search: what is known of each, in an order of theirs.
struct ImageSet {
  /// The model that the statistics are of.
  let posterior: PosteriorModel
  /// The statistics b of all images, shared among the ranks.
  let rows: CoefficientStore
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  /// The order that the images are in; nil for that of the file.
  var order: LocalityOrder?

  /// How many images there are.
  var count: Int { groups.count }
}
