/// How large classes are.
public enum ClassSize {
  /// Members of landmarks' classes whose rows a rank fetches at a time, about; those of all its landmarks at once
  /// where there are no more images.
  public static let membersAtATime = 1 << 16
  /// Images that a thread compares with landmarks at a time.
  public static let comparedAtATime = 512
  /// Candidates that a rank scores at a time. Between two such batches ranks wait for each other; and of a pair that
  /// both of its images ask for, in one batch, the score is found once.
  public static let candidatesAtATime = 1 << 19

  /// How many neighbours make a class among `images`: a small part of all views, at most 50.
  public static func members(images: Int, neighbours: Int) -> Int {
    ClassPasses.members(images: images, neighbours: neighbours)
  }

  /// The same for the classes of landmarks that images share.
  public static func sharedMembers(images: Int, neighbours: Int) -> Int {
    SharedLandmarks.members(
      images: images, atLeast: members(images: images, neighbours: neighbours))
  }
}
