"""Videos and rosbag2 recordings in, labels out."""
