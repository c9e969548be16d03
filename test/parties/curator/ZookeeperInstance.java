package org.springframework.cloud.zookeeper.discovery;

import java.util.HashMap;
import java.util.Map;

/**
 * In the place of Spring Cloud ZooKeeper's class of this name, with its fields: the payload of its services, whose class Curator
 * writes beside it and looks for when it reads. Spring itself is in no Debian package.
 */
public class ZookeeperInstance {
  public String id;
  public String name;
  public Map<String, String> metadata = new HashMap<>();
}
