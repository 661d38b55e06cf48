/// The nearest images in the vector diffusion map of the graph that another search has found (method E.7).
struct DiffusionNeighbours: NeighbourSearch {
  /// The search whose neighbours make the graph.
  let graph: any NeighbourSearch
  /// What aligns the neighbours.
  let affinity: Affinity
  /// K, neighbours of each image.
  let neighbours: Int
  let options: VectorDiffusionMap.Options

  func neighbours(of images: SearchedImages) throws -> FoundNeighbours {
    let found = try graph.neighbours(of: images)
    let nearest = try VectorDiffusionMap.reordered(
      found.inFileOrder(found.table).prefix(options.neighbours), options: options,
      neighboursPerImage: neighbours,
      scoring: images.scoring(by: affinity, observer: images.stoppable.observer))
    return FoundNeighbours(table: nearest, reports: found.reports)
  }
}
